"""Two stages: a candidate's loops, and, once it has been compiled, what LLVM made of them.

Candidates are made and sifted by the thousand, of which only the loops are known. The few that are predicted to be
fastest are compiled, and whether sums stay in registers and vectors are as wide as meant is then there to be read. A
first model knows loops alone. A second one has learned from those trials that were compiled, by loops and machine code
together. It has the larger share in predictions for candidates that are; the first, which has learned from more
trials, keeps a small one.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.features import FAMILIES
from costmodels.model import CostModel, HyperParameters, Prediction, Range
from costmodels.models.lightgbm import LightGBMModel
from tunedb.errors import ModelError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset

_FIRST = "first"
_SECOND = FAMILIES["machine_code"].FEATURE_VERSION  # folders: a model of other features of code is left out
_FIRST_SHARE = 0.15  # of the first model in the prediction for compiled candidates
_LEAST = 64  # compiled trials, below which there is no second model
_SECOND_MEMBERS = 4


class TwoStageModel(CostModel):
    """A LightGBM model of loop nests, and another one of loop nests and machine code.

    Args:
        first: predicts what has not been compiled; None is one with the usual settings.
        second: predicts what has been compiled, from the features of the first and those of the machine code; None is
            one with the usual settings and fewer members.
        compute: what those two may use.
    """

    kind: ClassVar[str] = "two-stage"
    reads_code: ClassVar[bool] = True

    def __init__(
        self,
        first: LightGBMModel | None = None,
        second: LightGBMModel | None = None,
        *,
        compute: Compute = ALONE,
    ) -> None:
        self._first = first or LightGBMModel(compute=compute)
        self._second = second or LightGBMModel(members=_SECOND_MEMBERS, compute=compute)
        self._has_second = False

    @classmethod
    @override
    def make(cls, hyper_parameters: HyperParameters, compute: Compute = ALONE) -> Self:
        given: dict[str, dict[str, float | int | str]] = {"first": {}, "second": {"members": _SECOND_MEMBERS}}
        for name, value in hyper_parameters.items():
            stage, _, rest = name.partition("_")
            if stage not in given:
                raise UsageError(f"a {cls.kind} model has no hyper-parameter {name!r}")
            given[stage][rest] = value
        return cls(LightGBMModel.make(given["first"], compute), LightGBMModel.make(given["second"], compute))

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        stages = ("first", "second") if _learns_code(dataset) else ("first",)
        space = LightGBMModel.search_space(dataset)
        return {f"{stage}_{name}": values for stage in stages for name, values in space.items()}

    @property
    @override
    def parts(self) -> Mapping[str, CostModel]:
        return {self._first.kind: self._first}

    @property
    @override
    def hyper_parameters(self) -> dict[str, float | int | str]:
        both = ("first", self._first), ("second", self._second)
        return {f"{name}_{key}": value for name, model in both for key, value in model.hyper_parameters.items()}

    @override
    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        held_out = self._first.fit(dataset, seed=seed)
        self._has_second = _learns_code(dataset)
        if not self._has_second:
            return held_out
        is_compiled = dataset.is_compiled
        return _corrected(held_out, is_compiled, self._second.fit(_with_code(dataset.rows(is_compiled)), seed=seed))

    @override
    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        held_out = self._first.held_out(dataset, seed=seed)
        if not _learns_code(dataset):
            return held_out
        is_compiled = dataset.is_compiled
        second = self._second.held_out(_with_code(dataset.rows(is_compiled)), seed=seed)
        return _corrected(held_out, is_compiled, second)

    @override
    def updated(self, dataset: Dataset, *, seed: int) -> Self:
        # The second model learns from what was compiled.
        other = copy.copy(self)
        other._first = self._first.updated(dataset, seed=seed)
        is_compiled = dataset.is_compiled
        if self._has_second and is_compiled.any():
            other._second = self._second.updated(_with_code(dataset.rows(is_compiled)), seed=seed)
        return other

    @override
    def predict(self, features: NDArray[np.float64]) -> Prediction:
        return self._first.predict(features)

    @override
    def predict_compiled(self, features: NDArray[np.float64], code: NDArray[np.float64] | None) -> Prediction:
        predicted = self._first.predict(features)
        if code is None or not self._has_second:
            return predicted
        is_compiled = ~np.isnan(code[:, 0])
        return _corrected(predicted, is_compiled, self._second.predict(np.hstack([features, code])[is_compiled]))

    @override
    def save(self) -> dict[str, bytes]:
        stages = {_FIRST: self._first, **({_SECOND: self._second} if self._has_second else {})}
        return {f"{stage}/{name}": text for stage, model in stages.items() for name, text in model.save().items()}

    @classmethod
    @override
    def load(cls, files: Mapping[str, bytes]) -> Self:
        first = _loaded(_FIRST, files)
        if not _below(_SECOND, files):
            return cls(first)
        model = cls(first, _loaded(_SECOND, files))
        model._has_second = True
        return model


def _below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a folder, by their names in it."""
    begin = f"{folder}/"
    return {name.removeprefix(begin): content for name, content in files.items() if name.startswith(begin)}


def _loaded(folder: str, files: Mapping[str, bytes]) -> LightGBMModel:
    """The model of a folder; what is wrong with it is said with the folder's name."""
    try:
        return LightGBMModel.load(_below(folder, files))
    except ModelError as error:
        raise ModelError(f"{folder}/{error}") from error


def _learns_code(dataset: Dataset) -> bool:
    """Whether enough was compiled for a second model."""
    return int(dataset.is_compiled.sum()) >= _LEAST


def _corrected(predicted: Prediction, is_compiled: NDArray[np.bool_], second: Prediction) -> Prediction:
    """The first model's predictions [n], with those of the second mixed in where something was compiled [n]."""
    mean, std = predicted.mean.copy(), predicted.std.copy()
    mean[is_compiled] = _FIRST_SHARE * mean[is_compiled] + (1.0 - _FIRST_SHARE) * second.mean
    std[is_compiled] = second.std
    return Prediction(mean, std)


def _with_code(dataset: Dataset) -> Dataset:
    """The features of loops and of machine code next to each other."""
    assert dataset.code is not None
    return dataclasses.replace(dataset, features=np.hstack([dataset.features, dataset.code]), code=None)
