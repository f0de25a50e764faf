"""The one interface of all cost models: fit, predict with a deviation, update, save, load.

What a model predicts is a relative cost: the logarithm (nats) of latency over the best latency of the same
workload, so that 0 is as good as the best known and 0.69 twice as slow. It is defined up to a constant per
workload; compare candidates of one workload only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model believes about n candidates."""

    mean: NDArray[np.float64]  # [n] log latency relative to the workload's best, nats; lower is faster
    std: NDArray[np.float64]  # [n] standard deviation in the same unit, positive


class CostModel(ABC):
    """A model of relative log latency, learned from the trials of many workloads.

    Between `fit`, `load` and `update` a model is read-only: `predict` may then be called from several threads.
    The same dataset, hyper-parameters and seed give the same model, bit for bit.
    """

    kind: ClassVar[str]
    """Name of the family, as in the registry's manifests."""

    error_std: ClassVar[float] = 0.4
    """By how many nats a prediction is typically off for a workload of which nothing is known, as searches take it."""

    reads_code: ClassVar[bool] = False
    """Whether it says something else of candidates whose machine code is known."""

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
    def update(self, dataset: Dataset, *, seed: int) -> None:
        """Learns from more trials, of a target or a run that the model has not seen, on top of what it knows.

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
        """Predicts n candidates of which some have been compiled; most models look at their loops alone.

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
    def save(self, directory: Path) -> None:
        """Writes the model's files into an existing folder; never pickled."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Reads what `save` wrote. The files must have been verified: see `costmodels.registry.manifest`.

        Raises:
            ModelError: a file is missing or is not what `save` writes.
        """
