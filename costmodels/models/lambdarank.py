"""LightGBM's LambdaRank: learns the order of a pool's candidates, not their speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.model import Range
from costmodels.models.booster import Booster
from costmodels.models.ensemble import Ensemble
from costmodels.models.files import check_bounded, reading
from costmodels.models.lightgbm_text import thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset

_LEVELS = 31  # of relevance
_MORE_TREES = 50  # of an update


class _Member(NamedTuple):
    booster: Any
    slope: float  # from LambdaRank's margin to sqrt(score)
    offset: float


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slope: float
    offset: float


class LambdaRankModel(Ensemble):
    """Trees that are boosted on the order within each pool (Burges, "From RankNet to LambdaRank to LambdaMART", 2010).

    LambdaRank's margins have no unit; a line brings them to sqrt(score).

    Args:
        num_trees: trees of each member.
        num_leaves: leaves of each tree.
        learning_rate: shrinkage.
        members: as for `Ensemble`.
        compute: as for `Ensemble`.
    """

    kind: ClassVar[str] = "lambdarank"
    draws: ClassVar[bool] = True

    def __init__(
        self,
        *,
        num_trees: int = 400,
        num_leaves: int = 31,
        learning_rate: float = 0.05,
        members: int = 5,
        compute: Compute = ALONE,
    ) -> None:
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
        }
        super().__init__(parameters, members=members, compute=compute)
        self._num_trees = num_trees
        self._num_leaves = num_leaves
        self._learning_rate = learning_rate

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {
            "num_trees": Range(100, 1000, is_log=True, is_whole=True),
            "num_leaves": Range(7, 127, is_log=True, is_whole=True),
            "learning_rate": Range(0.01, 0.3, is_log=True),
        }

    @override
    def train_member(self, dataset: Dataset, seed: int) -> Any:
        return self._boost(dataset, seed, self._num_trees, None)

    @override
    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        return _Member(self._boost(dataset, seed, _MORE_TREES, member.booster).booster, member.slope, member.offset)

    def _boost(self, dataset: Dataset, seed: int, num_trees: int, begun: Any) -> _Member:
        import lightgbm

        if isinstance(begun, Booster):
            begun = begun.for_training()
        order = np.argsort(dataset.groups, kind="stable")
        sizes = np.unique(dataset.groups, return_counts=True)[1]
        levels = np.clip((dataset.scores[order] * _LEVELS).astype(np.int64), 0, _LEVELS - 1)
        parameters = {
            "objective": "lambdarank",
            "lambdarank_truncation_level": 128,
            "label_gain": list(range(_LEVELS)),
            "num_leaves": self._num_leaves,
            "learning_rate": self._learning_rate,
            "feature_fraction": 0.4,
            "min_data_in_leaf": min(20, max(1, len(dataset) // 10)),
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        features = dataset.features[order]
        data = lightgbm.Dataset(
            features, levels, group=sizes, params={"max_bin": 127, "verbose": -1}, free_raw_data=False
        )
        booster = lightgbm.train(parameters, data, num_boost_round=num_trees, init_model=begun)
        margins = np.asarray(booster.predict(features, num_threads=1))
        if margins.std() == 0:
            return _Member(booster, 0.0, float(np.sqrt(dataset.scores).mean()))
        slope, offset = np.polyfit(margins, np.sqrt(dataset.scores[order]), 1)
        return _Member(booster, float(slope), float(offset))

    @override
    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        margins = np.asarray(member.booster.predict(features, num_threads=1), dtype=np.float64)
        return np.asarray(member.slope * margins + member.offset, dtype=np.float64)

    @override
    def write_member(self, member: Any, number: int) -> dict[str, bytes]:
        line = msgspec.json.encode(_Line(member.slope, member.offset))
        text = thinned(member.booster.model_to_string().encode())
        return {f"member-{number}.txt": text, f"line-{number}.json": line}

    @override
    def read_member(self, files: Mapping[str, bytes], number: int) -> tuple[Any, int]:
        with reading(name := f"member-{number}.txt"):
            booster = Booster(files[name])
        with reading(name := f"line-{number}.json"):
            line = msgspec.json.decode(files[name], type=_Line)
            check_bounded([line.slope, line.offset], "it")
        return _Member(booster, line.slope, line.offset), booster.num_feature()
