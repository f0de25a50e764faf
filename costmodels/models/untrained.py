"""What every model must beat: chance, and counting operations."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from costmodels.features import DEFAULT
from costmodels.model import CostModel, Prediction
from tunedb.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Dataset


class Floor(CostModel):
    """Learns nothing but how wrong it is."""

    def __init__(self) -> None:
        self._std = 1.0

    @property
    def hyper_parameters(self) -> dict[str, float | int | str]:
        """None."""
        return {}

    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        """See `CostModel.fit`."""
        del seed
        if len(dataset) < 2:
            raise ValueError(f"a cost model needs at least two trials, got {len(dataset)}")
        self._std = max(float(dataset.log_costs.std()), 0.01)
        return self.predict(dataset.features)

    def update(self, dataset: Dataset, *, seed: int) -> None:
        """See `CostModel.update`: there is nothing to learn."""

    def predict(self, features: NDArray[np.float64]) -> Prediction:
        """See `CostModel.predict`."""
        return Prediction(self.costs(features), np.full(len(features), self._std))

    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Costs [n] of rows [n, d]."""
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        """Writes the deviation."""
        (directory / "std.txt").write_text(repr(self._std), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See `CostModel.load`."""
        model = cls()
        try:
            model._std = float((directory / "std.txt").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot read the {cls.kind} model in {directory}: {error}") from error
        return model


class RandomModel(Floor):
    """A cost that the candidate's features decide, and nothing else: chance that repeats itself."""

    kind: ClassVar[str] = "random"

    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Floor.costs`."""
        digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in np.ascontiguousarray(features)]
        return np.asarray([int.from_bytes(digest, "little") / 2**64 for digest in digests], dtype=np.float64)


class FlopModel(Floor):
    """The logarithm of all arithmetic that the program does."""

    kind: ClassVar[str] = "flop"

    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Floor.costs`."""
        names = DEFAULT.names()
        if features.ndim != 2 or features.shape[1] != len(names):
            raise ModelError(f"the model wants features [n, {len(names)}], got {list(features.shape)}")
        return np.asarray(features[:, names.index("all_arithmetic")] * np.log(2), dtype=np.float64)
