"""LightGBM, in its text form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from costmodels.models.ensemble import Ensemble

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LightGBMModel(Ensemble):
    """Gradient-boosted trees behind the `CostModel` interface.

    Args:
        num_trees: trees of each member.
        num_leaves: leaves of each tree.
        learning_rate: shrinkage.
        members: see `Ensemble`.
        workers: see `Ensemble`.
    """

    kind: ClassVar[str] = "lightgbm"

    def __init__(
        self,
        *,
        num_trees: int = 600,
        num_leaves: int = 31,
        learning_rate: float = 0.06,
        members: int = 5,
        workers: int = 1,
    ) -> None:
        parameters: dict[str, float | int | str] = {
            "num_trees": num_trees,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
        }
        super().__init__(parameters, members=members, workers=workers)
        self._num_trees = num_trees
        self._num_leaves = num_leaves
        self._learning_rate = learning_rate

    def train_member(self, features: NDArray[np.float64], target: NDArray[np.float64], seed: int) -> Any:
        """See `Ensemble.train_member`."""
        import lightgbm

        parameters = {
            "objective": "regression",
            "num_leaves": self._num_leaves,
            "learning_rate": self._learning_rate,
            "feature_fraction": 0.4,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "min_data_in_leaf": min(10, max(1, len(target) // 10)),
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        return lightgbm.train(
            parameters,
            lightgbm.Dataset(features, target, params={"max_bin": 127, "verbose": -1}),
            num_boost_round=self._num_trees,
        )

    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Ensemble.ask_member`."""
        return np.asarray(member.predict(features, num_threads=1), dtype=np.float64)

    def write_member(self, member: Any, directory: Path, number: int) -> None:
        """See `Ensemble.write_member`."""
        _file(directory, number).write_text(member.model_to_string(), encoding="utf-8")

    def read_member(self, directory: Path, number: int) -> tuple[Any, int]:
        """See `Ensemble.read_member`."""
        import lightgbm

        try:
            member = lightgbm.Booster(model_str=_file(directory, number).read_text(encoding="utf-8"))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        return member, member.num_feature()


def _file(directory: Path, number: int) -> Path:
    return directory / f"member-{number}.txt"
