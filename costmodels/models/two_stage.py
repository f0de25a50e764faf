"""Two looks at a candidate: at its loops, and, once it has been compiled, at what LLVM made of them.

Candidates are made and sifted by the thousand, of which only the loops are known. The few that promise most are
compiled, and whether sums stay in registers and vectors are as wide as meant is then there to be read. A first model
knows loops alone. A second one has learned from those trials that were compiled, by loops and machine code together,
and has the larger say on candidates that are; the first, which has learned from more trials, keeps a small one.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from costmodels.features import FAMILIES
from costmodels.model import CostModel, Prediction
from costmodels.models.lightgbm import LightGBMModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.cluster import Cluster
    from costmodels.dataset import Dataset

_FIRST, _SECOND = "first", FAMILIES["machine_code"].FEATURE_VERSION  # folders: what is told of other code is left out
_FIRST_SHARE = 0.15  # of the first model in what is said of compiled candidates
_LEAST = 64  # compiled trials, below which there is no second look


class SecondLookModel(CostModel):
    """A LightGBM model of loop nests, and another one of loop nests and machine code.

    Args:
        first: speaks of what has not been compiled; None is one with the usual settings.
        second: speaks of what has been compiled, told of the features of the first and those of the machine code;
            None is one with the usual settings and fewer members.
        workers: members fitted at a time, of those two.
        cluster: grows their trees instead.
    """

    kind: ClassVar[str] = "second-look"
    reads_code: ClassVar[bool] = True

    def __init__(
        self,
        first: LightGBMModel | None = None,
        second: LightGBMModel | None = None,
        *,
        workers: int = 1,
        cluster: Cluster | None = None,
    ) -> None:
        self._first = first or LightGBMModel(workers=workers, cluster=cluster)
        self._second = second or LightGBMModel(members=4, workers=workers, cluster=cluster)
        self._has_second = False

    @property
    def parts(self) -> Mapping[str, CostModel]:
        """See `CostModel.parts`."""
        return {self._first.kind: self._first}

    @property
    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Those of the two models."""
        both = ("first", self._first), ("second", self._second)
        return {f"{name}_{key}": value for name, model in both for key, value in model.hyper_parameters.items()}

    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        """See `CostModel.fit`."""
        held_out = self._first.fit(dataset, seed=seed)
        is_compiled = dataset.is_compiled
        self._has_second = int(is_compiled.sum()) >= _LEAST
        if self._has_second:
            _look_again(held_out, is_compiled, self._second.fit(_told_of_code(dataset.rows(is_compiled)), seed=seed))
        return held_out

    def update(self, dataset: Dataset, *, seed: int) -> None:
        """See `CostModel.update`. The second model learns from what was compiled."""
        self._first, self._second = copy.copy(self._first), copy.copy(self._second)  # a copy of this one shares them
        self._first.update(dataset, seed=seed)
        is_compiled = dataset.is_compiled
        if self._has_second and is_compiled.any():
            self._second.update(_told_of_code(dataset.rows(is_compiled)), seed=seed)

    def predict(self, features: NDArray[np.float64]) -> Prediction:
        """See `CostModel.predict`: by loops alone."""
        return self._first.predict(features)

    def predict_compiled(self, features: NDArray[np.float64], code: NDArray[np.float64] | None) -> Prediction:
        """See `CostModel.predict_compiled`."""
        predicted = self._first.predict(features)
        if code is None or not self._has_second:
            return predicted
        is_compiled = ~np.isnan(code[:, 0])
        _look_again(predicted, is_compiled, self._second.predict(np.hstack([features, code])[is_compiled]))
        return predicted

    def save(self, directory: Path) -> None:
        """Writes a folder for each of the two."""
        for name, model in ((_FIRST, self._first), (_SECOND, self._second if self._has_second else None)):
            if model is not None:
                (directory / name).mkdir()
                model.save(directory / name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See `CostModel.load`."""
        first = LightGBMModel.load(directory / _FIRST)
        if not (directory / _SECOND).is_dir():
            return cls(first)
        model = cls(first, LightGBMModel.load(directory / _SECOND))
        model._has_second = True
        return model


def _look_again(predicted: Prediction, is_compiled: NDArray[np.bool_], second: Prediction) -> None:
    """Corrects the first model's predictions [n] by those of the second of what is compiled."""
    first = predicted.mean[is_compiled]
    predicted.mean[is_compiled] = _FIRST_SHARE * first + (1.0 - _FIRST_SHARE) * second.mean
    predicted.std[is_compiled] = second.std


def _told_of_code(dataset: Dataset) -> Dataset:
    assert dataset.code is not None
    return dataclasses.replace(dataset, features=np.hstack([dataset.features, dataset.code]), code=None)
