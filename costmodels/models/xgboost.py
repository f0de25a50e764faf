"""XGBoost, in its JSON form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from costmodels.models.ensemble import Ensemble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.cluster import Cluster
    from costmodels.dataset import Dataset

_MORE_TREES = 10  # of an update


class XGBoostModel(Ensemble):
    """Gradient-boosted trees with the parameters that MetaSchedule's own cost model has.

    MetaSchedule (python/tvm/s_tir/meta_schedule/cost_model/xgb_model.py) sums the trees over a program's stores; here
    a program is one row.

    Args:
        num_trees: trees of each member.
        max_depth: of each tree.
        learning_rate: shrinkage.
        members: see `Ensemble`.
        workers: see `Ensemble`.
        cluster: grows the trees instead.
    """

    kind: ClassVar[str] = "xgboost"

    def __init__(
        self,
        *,
        num_trees: int = 100,
        max_depth: int = 10,
        learning_rate: float = 0.2,
        members: int = 5,
        workers: int = 1,
        cluster: Cluster | None = None,
    ) -> None:
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "max_depth": max_depth,
            "learning_rate": learning_rate,
        }
        super().__init__(parameters, members=members, workers=1 if cluster is not None else workers)
        self._cluster = cluster
        self._num_trees = num_trees
        self._max_depth = max_depth
        self._learning_rate = learning_rate

    def train_member(self, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_member`."""
        return self._boost(dataset, seed, self._num_trees, None)

    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_more`: some more trees."""
        return self._boost(dataset, seed, _MORE_TREES, member)

    def _boost(self, dataset: Dataset, seed: int, num_trees: int, begun: Any) -> Any:
        import xgboost

        parameters = {
            "max_depth": self._max_depth,
            "eta": self._learning_rate,
            "gamma": 0.001,
            "min_child_weight": 0,
            "tree_method": "hist",
            "seed": seed % 2**31,
            "nthread": 1,
            "verbosity": 0,
        }
        wanted = np.sqrt(dataset.scores)
        if self._cluster is not None and begun is None:
            return self._cluster.train_xgboost(parameters, num_trees, dataset.features, wanted)
        matrix = xgboost.DMatrix(dataset.features, wanted, nthread=1)
        return xgboost.train(parameters, matrix, num_boost_round=num_trees, xgb_model=begun)

    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Ensemble.ask_member`."""
        return np.asarray(member.inplace_predict(features), dtype=np.float64)

    def write_member(self, member: Any, directory: Path, number: int) -> None:
        """See `Ensemble.write_member`."""
        _file(directory, number).write_bytes(bytes(member.save_raw("json")))

    def read_member(self, directory: Path, number: int) -> tuple[Any, int]:
        """See `Ensemble.read_member`."""
        import xgboost

        try:
            member = xgboost.Booster({"nthread": 1})
            member.load_model(bytearray(_file(directory, number).read_bytes()))
        except xgboost.core.XGBoostError as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return member, member.num_features()


def _file(directory: Path, number: int) -> Path:
    return directory / f"member-{number}.json"
