"""The one interface of all cost models: fit, predict with a deviation, learn more, save, load.

What a model predicts is a relative cost: the logarithm (nats) of latency over the best latency of the same
workload, so that 0 is as good as the best known and 0.69 twice as slow. It is defined up to a constant per
workload; compare candidates of one workload only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from costmodels.compute import ALONE, Compute

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset

HyperParameters = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model believes about n candidates."""

    mean: NDArray[np.float64]  # [n] log latency relative to the workload's best, nats; lower is faster
    std: NDArray[np.float64]  # [n] standard deviation in the same unit, positive


@dataclass(frozen=True, slots=True)
class Range:
    """Which values of a hyper-parameter are worth a try."""

    low: float
    high: float
    is_log: bool = False  # whether equal ratios are equal steps
    is_whole: bool = False

    def at(self, share: float) -> float | int:
        """The value at a share in [0, 1] of the way from the lowest to the highest."""
        if self.is_log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_whole else value

    def share_of(self, value: float) -> float:
        """The share in [0, 1] at which a value lies; the nearer end for one that lies outside."""
        low, high, here = (math.log(x) if self.is_log else x for x in (self.low, self.high, value))
        return min(max((here - low) / (high - low), 0.0), 1.0)


class CostModel(ABC):
    """A model of relative log latency, learned from the trials of many workloads.

    A model that is fitted or loaded is read-only: threads may share it, and `updated` gives another one. The same
    dataset, hyper-parameters and seed give the same model, bit for bit.
    """

    kind: ClassVar[str]
    """Name of the family, as in the registry's manifests."""

    error_std: ClassVar[float] = 0.4
    """By how many nats a prediction is typically off for a workload of which nothing is known, as searches take it."""

    reads_code: ClassVar[bool] = False
    """Whether it predicts something else for candidates whose machine code is known."""

    @classmethod
    @abstractmethod
    def make(cls, hyper_parameters: HyperParameters, compute: Compute = ALONE) -> Self:
        """Makes a model that has learned nothing yet.

        Args:
            hyper_parameters: some of `hyper_parameters`, by name; the others are the family's fixed configuration.
            compute: what fitting may use; the model does not depend on it.

        Raises:
            UsageError: the family has no hyper-parameter of that name.
        """

    @classmethod
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        """The hyper-parameters that are worth choosing for a dataset, by name; none by default."""
        del dataset
        return {}

    @property
    @abstractmethod
    def hyper_parameters(self) -> dict[str, float | int | str]:
        """What distinguishes two models of a kind, for the manifest."""

    @abstractmethod
    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        """Learns from a dataset.

        Returns:
            Held-out predictions for the dataset's rows [n], each made without the row's workload (without the
            row, when there is one workload only): honest material for metrics.

        Raises:
            ValueError: the dataset has fewer than two rows.
        """

    @abstractmethod
    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        """Predicts each row [n] of a dataset without its workload, as `fit` does, and learns nothing itself.

        Raises:
            ValueError: the dataset has fewer than two rows.
        """

    @abstractmethod
    def updated(self, dataset: Dataset, *, seed: int) -> Self:
        """A model that has learned from more trials, of a target or a run that this one has not seen.

        Args:
            dataset: the trials; what this model knows already is kept.
            seed: of that learning.

        Returns:
            Another model; this one is not changed.

        Raises:
            ModelError: the model is not fitted, or the features are not what it was fitted with.
        """

    @abstractmethod
    def predict(self, features: NDArray[np.float64]) -> Prediction:
        """Predicts n candidates from their features [n, d].

        Raises:
            ModelError: the model is not fitted, or d is not what it was fitted with.
        """

    def predict_compiled(self, features: NDArray[np.float64], code: NDArray[np.float64] | None) -> Prediction:
        """Predicts n candidates of which some have been compiled; most models use the features of their loops alone.

        Args:
            features: [n, d], as `predict` takes them.
            code: [n, c] features of their machine code, NaN where nothing was compiled; None where nothing was at all.

        Raises:
            ModelError: as `predict`.
        """
        del code
        return self.predict(features)

    @property
    def parts(self) -> Mapping[str, CostModel]:
        """Models by kind that were fitted on the way, to the same trials with the same seed and usual settings."""
        return {}

    @abstractmethod
    def save(self) -> dict[str, bytes]:
        """The content of the model's files, by name, which may have one folder; text or JSON, never pickled."""

    @classmethod
    @abstractmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Reads what `save` gave. The files must have been verified: see `costmodels.registry.manifest`.

        Raises:
            ModelError: a file is missing or is not what `save` gives.
        """
