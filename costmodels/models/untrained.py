"""What every model must beat: chance, and counting operations. They learn nothing but how wrong they are."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.features import loop_nest
from costmodels.model import CostModel, HyperParameters, Prediction
from costmodels.models.files import check_positive, reading
from tunedb.errors import ModelError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset

_FILE = "std.txt"


class UntrainedModel(CostModel):
    """A model that predicts by a formula."""

    def __init__(self) -> None:
        self._std = 1.0

    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Costs [n] of rows [n, d], by the formula."""
        raise NotImplementedError

    @classmethod
    @override
    def make(cls, hyper_parameters: HyperParameters, compute: Compute = ALONE) -> Self:
        if hyper_parameters:
            raise UsageError(f"a {cls.kind} model has no hyper-parameters")
        return cls()

    @property
    @override
    def hyper_parameters(self) -> dict[str, float | int | str]:
        return {}

    @override
    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        self._std = _std(dataset)
        return self.predict(dataset.features)

    @override
    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        return Prediction(self.costs(dataset.features), np.full(len(dataset), _std(dataset)))

    @override
    def updated(self, dataset: Dataset, *, seed: int) -> Self:
        return copy.copy(self)

    @override
    def predict(self, features: NDArray[np.float64]) -> Prediction:
        return Prediction(self.costs(features), np.full(len(features), self._std))

    @override
    def save(self) -> dict[str, bytes]:
        return {_FILE: repr(self._std).encode()}

    @classmethod
    @override
    def load(cls, files: Mapping[str, bytes]) -> Self:
        model = cls()
        with reading(_FILE):
            model._std = float(files[_FILE].decode())
            check_positive([model._std], "it")
        return model


class RandomModel(UntrainedModel):
    """A cost that the candidate's features decide, and nothing else: chance that repeats itself."""

    kind: ClassVar[str] = "random"

    @override
    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in np.ascontiguousarray(features)]
        return np.asarray([int.from_bytes(digest, "little") / 2**64 for digest in digests], dtype=np.float64)


class FlopModel(UntrainedModel):
    """The logarithm of all arithmetic that the program does, from loop-nest features."""

    kind: ClassVar[str] = "flop"

    @override
    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        names = loop_nest.names()
        if features.ndim != 2 or features.shape[1] != len(names):
            raise ModelError(f"the model wants features [n, {len(names)}], got {list(features.shape)}")
        return np.asarray(features[:, names.index("all_arithmetic")] * np.log(2), dtype=np.float64)


def _std(dataset: Dataset) -> float:
    """Deviation of log costs, nats."""
    if len(dataset) < 2:
        raise ValueError(f"a cost model needs at least two trials, got {len(dataset)}")
    return max(float(dataset.log_costs.std()), 0.01)
