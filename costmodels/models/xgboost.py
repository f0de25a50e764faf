"""XGBoost, in its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.model import Range
from costmodels.models import xgboost_json
from costmodels.models.ensemble import Ensemble, one_at_a_time
from costmodels.models.files import reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        members: as for `Ensemble`.
        compute: as for `Ensemble`; a cluster grows the trees, a member after the other.
    """

    kind: ClassVar[str] = "xgboost"

    def __init__(
        self,
        *,
        num_trees: int = 100,
        max_depth: int = 10,
        learning_rate: float = 0.2,
        members: int = 5,
        compute: Compute = ALONE,
    ) -> None:
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "max_depth": max_depth,
            "learning_rate": learning_rate,
        }
        super().__init__(parameters, members=members, compute=one_at_a_time(compute))
        self._cluster = compute.cluster
        self._num_trees = num_trees
        self._max_depth = max_depth
        self._learning_rate = learning_rate

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {
            "num_trees": Range(50, 500, is_log=True, is_whole=True),
            "max_depth": Range(3, 12, is_whole=True),
            "learning_rate": Range(0.02, 0.5, is_log=True),
        }

    @override
    def train_member(self, dataset: Dataset, seed: int) -> Any:
        return self._boost(dataset, seed, self._num_trees, None)

    @override
    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
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

    @override
    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(member.inplace_predict(features), dtype=np.float64)

    @override
    def write_member(self, member: Any, number: int) -> dict[str, bytes]:
        return {_file(number): bytes(member.save_raw("json"))}

    @override
    def read_member(self, files: Mapping[str, bytes], number: int) -> tuple[Any, int]:
        import xgboost

        with reading(_file(number)):
            trees = xgboost_json.checked(files[_file(number)])
            try:
                member = xgboost.Booster({"nthread": 1})
                member.load_model(bytearray(trees))
            except xgboost.core.XGBoostError as error:
                raise ValueError(str(error).splitlines()[0]) from error
        return member, member.num_features()


def _file(number: int) -> str:
    return f"member-{number}.json"
