"""LightGBM, in its text form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.features import loop_nest
from costmodels.model import Range
from costmodels.models.booster import Booster
from costmodels.models.ensemble import Ensemble, one_at_a_time
from costmodels.models.files import reading
from costmodels.models.lightgbm_text import thinned
from costmodels.models.roofline import RooflineModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset

_MORE_TREES = 50  # of an update
_LEAST_SCORE = 0.02  # to which weights fall


class _Member(NamedTuple):
    relative: Any  # regresses sqrt(score)
    absolute: Any  # regresses log latency less the roofline's


class LightGBMModel(Ensemble):
    """Gradient-boosted trees behind the `CostModel` interface.

    A member is a pair. The one regresses the square root of the score, which tells what is good for its workload; near
    the best it saturates. The other regresses by what factor a program is slower than its roofline
    (`costmodels.models.roofline`), the good ones weighted more: all workloads and machines are on one scale there,
    whatever the best is that was found for each, and for what no tree has seen the roofline is left. The mixture puts
    a little more pairs in order than either (benchmarks/unseen_machine.py).

    Args:
        num_trees: trees of each member's first regressor; the second has half as many, with twice the shrinkage.
        num_leaves: leaves of each tree.
        learning_rate: shrinkage.
        absolute_share: weight of the second regressor.
        members: as for `Ensemble`.
        judges: as for `Ensemble`.
        compute: as for `Ensemble`; a cluster grows the trees, a member after the other.
    """

    kind: ClassVar[str] = "lightgbm"
    draws: ClassVar[bool] = True

    def __init__(
        self,
        *,
        num_trees: int = 500,
        num_leaves: int = 31,
        learning_rate: float = 0.08,
        absolute_share: float = 0.25,
        members: int = 6,
        judges: int = 3,
        compute: Compute = ALONE,
    ) -> None:
        if not 0.0 <= absolute_share <= 1.0:
            raise ValueError(f"absolute_share is a share, not {absolute_share}")
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
            "absolute_share": absolute_share,
            "judges": judges,
        }
        super().__init__(parameters, members=members, judges=judges, compute=one_at_a_time(compute))
        self._cluster = compute.cluster
        self._num_trees = num_trees
        self._num_leaves = num_leaves
        self._learning_rate = learning_rate
        self._absolute_share = absolute_share

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {
            "num_trees": Range(100, 1000, is_log=True, is_whole=True),
            "num_leaves": Range(7, 127, is_log=True, is_whole=True),
            "learning_rate": Range(0.02, 0.3, is_log=True),
            "absolute_share": Range(0.0, 0.6),
        }

    @override
    def train_member(self, dataset: Dataset, seed: int) -> Any:
        return self._pair(dataset, seed, self._num_trees, self._num_trees // 2, _Member(None, None))

    @override
    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        return self._pair(dataset, seed, _MORE_TREES, _MORE_TREES // 2, member)

    def _pair(self, dataset: Dataset, seed: int, relative: int, absolute: int, begun: _Member) -> _Member:
        rate, scores = self._learning_rate, dataset.scores
        slower = dataset.log_secs - _roofline(dataset.features)
        weights = np.maximum(scores, _LEAST_SCORE)
        return _Member(
            self._boost(dataset.features, np.sqrt(scores), None, seed, relative, rate, begun.relative),
            self._boost(dataset.features, slower, weights, seed, max(1, absolute), 2 * rate, begun.absolute),
        )

    def _boost(
        self,
        features: NDArray[np.float64],
        wanted: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        seed: int,
        num_trees: int,
        learning_rate: float,
        begun: Any,
    ) -> Any:
        import lightgbm

        if isinstance(begun, Booster):
            begun = begun.for_training()
        parameters = {
            "objective": "regression",
            "num_leaves": self._num_leaves,
            "learning_rate": learning_rate,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "min_data_in_leaf": min(10, max(1, len(features) // 10)),
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        if self._cluster is not None and begun is None:
            return self._cluster.train_lightgbm({**parameters, "max_bin": 127}, num_trees, features, wanted, weights)
        data = lightgbm.Dataset(
            features, wanted, weight=weights, params={"max_bin": 127, "verbose": -1}, free_raw_data=False
        )
        return lightgbm.train(parameters, data, num_boost_round=num_trees, init_model=begun)

    @override
    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(member.relative.predict(features, num_threads=1), dtype=np.float64)

    @override
    def costs_by(self, member: Any, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        _, relative = super().costs_by(member, features)
        absolute = member.absolute.predict(features, num_threads=1) + _roofline(features)
        return (1.0 - self._absolute_share) * relative + self._absolute_share * absolute, relative

    @override
    def write_member(self, member: Any, number: int) -> dict[str, bytes]:
        texts = [thinned(booster.model_to_string().encode()) for booster in member]
        return dict(zip(_files(number), texts, strict=True))

    @override
    def read_member(self, files: Mapping[str, bytes], number: int) -> tuple[Any, int]:
        read = []
        for name in _files(number):
            with reading(name):
                read.append(Booster(files[name]))
        member = _Member(*read)
        if member.relative.num_feature() != member.absolute.num_feature():
            raise ValueError("the two regressors of a member want other features")
        return member, member.relative.num_feature()


def _roofline(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of loop-nest features [n, d], whatever columns stand behind them."""
    return RooflineModel().costs(features[:, : len(loop_nest.names())])


def _files(number: int) -> tuple[str, str]:
    return f"member-{number}.txt", f"member-{number}-absolute.txt"
