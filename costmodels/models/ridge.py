"""A linear baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from costmodels.models.ensemble import Ensemble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    centre: list[float]  # [d]
    scale: list[float]  # [d]
    weights: list[float]  # [d]
    bias: float


class RidgeModel(Ensemble):
    """Ridge regression (scikit-learn's) on standardised features.

    Args:
        alpha: strength of the penalty.
        members: see `Ensemble`.
        workers: see `Ensemble`.
    """

    kind: ClassVar[str] = "ridge"

    def __init__(self, *, alpha: float = 100.0, members: int = 5, workers: int = 1) -> None:
        super().__init__({"alpha": alpha}, members=members, workers=workers)
        self._alpha = alpha

    def train_member(self, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_member`."""
        from sklearn.linear_model import Ridge

        centre, scale = dataset.features.mean(axis=0), dataset.features.std(axis=0)
        scale[scale == 0] = 1.0
        standard = (dataset.features - centre) / scale
        fitted = Ridge(alpha=self._alpha, solver="cholesky").fit(standard, np.sqrt(dataset.scores))
        return _Member(centre.tolist(), scale.tolist(), fitted.coef_.tolist(), float(fitted.intercept_))

    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        """See `Ensemble.train_more`: a ridge regression on what the member gets wrong."""
        from sklearn.linear_model import Ridge

        standard = (dataset.features - np.asarray(member.centre)) / np.asarray(member.scale)
        wrong = np.sqrt(dataset.scores) - self.ask_member(member, dataset.features)
        fitted = Ridge(alpha=self._alpha, solver="cholesky").fit(standard, wrong)
        weights = np.asarray(member.weights) + fitted.coef_
        return _Member(member.centre, member.scale, weights.tolist(), member.bias + float(fitted.intercept_))

    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Ensemble.ask_member`."""
        standard = (features - np.asarray(member.centre)) / np.asarray(member.scale)
        return np.asarray(standard @ np.asarray(member.weights) + member.bias, dtype=np.float64)

    def write_member(self, member: Any, directory: Path, number: int) -> None:
        """See `Ensemble.write_member`."""
        _file(directory, number).write_bytes(msgspec.json.encode(member))

    def read_member(self, directory: Path, number: int) -> tuple[Any, int]:
        """See `Ensemble.read_member`."""
        member = msgspec.json.decode(_file(directory, number).read_bytes(), type=_Member)
        if len({len(member.centre), len(member.scale), len(member.weights)}) != 1:
            raise ValueError("the weights are of several lengths")
        return member, len(member.weights)


def _file(directory: Path, number: int) -> Path:
    return directory / f"member-{number}.json"
