"""LightGBM, in its text form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from costmodels.models.booster import Booster, read_booster
from costmodels.models.ensemble import Ensemble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.cluster import Cluster
    from costmodels.dataset import Dataset

_MORE_TREES = 50  # of an update


class LightGBMModel(Ensemble):
    """Gradient-boosted trees behind the `CostModel` interface.

    Args:
        num_trees: trees of each member.
        num_leaves: leaves of each tree.
        learning_rate: shrinkage.
        members: see `Ensemble`.
        judges: see `Ensemble`.
        workers: see `Ensemble`.
        cluster: grows the trees instead.
    """

    kind: ClassVar[str] = "lightgbm"
    draws: ClassVar[bool] = True

    def __init__(
        self,
        *,
        num_trees: int = 500,
        num_leaves: int = 31,
        learning_rate: float = 0.08,
        members: int = 8,
        judges: int = 3,
        workers: int = 1,
        cluster: Cluster | None = None,
    ) -> None:
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
            "judges": judges,
        }
        super().__init__(parameters, members=members, judges=judges, workers=1 if cluster is not None else workers)
        self._cluster = cluster
        self._num_trees = num_trees
        self._num_leaves = num_leaves
        self._learning_rate = learning_rate

    def train_member(self, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_member`."""
        return self._boost(dataset, seed, self._num_trees, None)

    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_more`: some more trees."""
        return self._boost(dataset, seed, _MORE_TREES, member)

    def _boost(self, dataset: Dataset, seed: int, num_trees: int, begun: Any) -> Any:
        import lightgbm

        if isinstance(begun, Booster):
            begun = begun.for_training()
        parameters = {
            "objective": "regression",
            "num_leaves": self._num_leaves,
            "learning_rate": self._learning_rate,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "min_data_in_leaf": min(10, max(1, len(dataset) // 10)),
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        wanted = np.sqrt(dataset.scores)
        if self._cluster is not None and begun is None:
            return self._cluster.train_lightgbm({**parameters, "max_bin": 127}, num_trees, dataset.features, wanted)
        data = lightgbm.Dataset(dataset.features, wanted, params={"max_bin": 127, "verbose": -1}, free_raw_data=False)
        return lightgbm.train(parameters, data, num_boost_round=num_trees, init_model=begun)

    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Ensemble.ask_member`."""
        return np.asarray(member.predict(features, num_threads=1), dtype=np.float64)

    def write_member(self, member: Any, directory: Path, number: int) -> None:
        """See `Ensemble.write_member`."""
        _file(directory, number).write_text(member.model_to_string(), encoding="utf-8")

    def read_member(self, directory: Path, number: int) -> tuple[Any, int]:
        """See `Ensemble.read_member`."""
        member = read_booster(_file(directory, number))
        return member, member.num_feature()


def _file(directory: Path, number: int) -> Path:
    return directory / f"member-{number}.txt"
