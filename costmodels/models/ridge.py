"""A linear baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.model import Range
from costmodels.models.ensemble import Ensemble
from costmodels.models.files import check_bounded, check_positive, reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset


_STEEPEST = 1e100  # what it predicts must be finite


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    centre: list[float]  # [d]
    scale: list[float]  # [d]
    weights: list[float]  # [d]
    bias: float


class RidgeModel(Ensemble):
    """Ridge regression (scikit-learn's) on standardised features.

    Args:
        alpha: strength of the penalty.
        members: as for `Ensemble`.
        compute: as for `Ensemble`.
    """

    kind: ClassVar[str] = "ridge"

    def __init__(self, *, alpha: float = 100.0, members: int = 5, compute: Compute = ALONE) -> None:
        super().__init__({"alpha": alpha}, members=members, compute=compute)
        self._alpha = alpha

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {"alpha": Range(0.1, 100_000.0, is_log=True)}

    @override
    def train_member(self, dataset: Dataset, seed: int) -> Any:
        from sklearn.linear_model import Ridge

        centre, scale = dataset.features.mean(axis=0), dataset.features.std(axis=0)
        scale[scale == 0] = 1.0
        standard = (dataset.features - centre) / scale
        fitted = Ridge(alpha=self._alpha, solver="cholesky").fit(standard, np.sqrt(dataset.scores))
        return _Member(centre.tolist(), scale.tolist(), fitted.coef_.tolist(), float(fitted.intercept_))

    @override
    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        from sklearn.linear_model import Ridge

        standard = (dataset.features - np.asarray(member.centre)) / np.asarray(member.scale)
        wrong = np.sqrt(dataset.scores) - self.ask_member(member, dataset.features)
        fitted = Ridge(alpha=self._alpha, solver="cholesky").fit(standard, wrong)
        weights = np.asarray(member.weights) + fitted.coef_
        return _Member(member.centre, member.scale, weights.tolist(), member.bias + float(fitted.intercept_))

    @override
    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        standard = (features - np.asarray(member.centre)) / np.asarray(member.scale)
        return np.asarray(standard @ np.asarray(member.weights) + member.bias, dtype=np.float64)

    @override
    def write_member(self, member: Any, number: int) -> dict[str, bytes]:
        return {_file(number): msgspec.json.encode(member)}

    @override
    def read_member(self, files: Mapping[str, bytes], number: int) -> tuple[Any, int]:
        with reading(_file(number)):
            member = msgspec.json.decode(files[_file(number)], type=_Member)
            if len({len(member.centre), len(member.scale), len(member.weights)}) != 1:
                raise ValueError("the weights are of several lengths")
            check_bounded([*member.centre, *member.weights, member.bias], "it")
            check_positive(member.scale, "scale")
            if not sum(abs(w) / scale for w, scale in zip(member.weights, member.scale, strict=True)) < _STEEPEST:
                raise ValueError(f"it is steeper than {_STEEPEST:.0e}")
        return member, len(member.weights)


def _file(number: int) -> str:
    return f"member-{number}.json"
