"""Winograd's minimal filtering F(m x m, 3 x 3): with m = 4, 16 outputs from 36 products instead of 144.

Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, sections 4.1 and 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

KERNEL = 3

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Filtering:
    """The transforms of one size of tile: outputs = A ((G w G^T) * (B d B^T)) A^T, of weights w and inputs d."""

    of_inputs: Matrix  # B
    of_outputs: Matrix  # A
    of_weights: Matrix  # G

    @property
    def outputs(self) -> int:
        """Of a tile, in each direction."""
        return len(self.of_outputs)

    @property
    def tile(self) -> int:
        """Inputs of a tile, in each direction."""
        return len(self.of_inputs)

    @property
    def points(self) -> int:
        """Products of a tile."""
        return self.tile**2

    def transformed(self, weights: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What inputs are multiplied by.

        Args:
            weights: Of a convolution [3, 3, channels, filters].

        Returns:
            Matrices [points, channels, filters].
        """
        matrix = np.array(self.of_weights)
        made = np.einsum("ai,ijck,bj->abck", matrix, weights.astype(np.float64), matrix, optimize=True)
        return np.ascontiguousarray(made.reshape(self.points, *weights.shape[2:]), dtype=np.float32)


TWO = Filtering(
    of_inputs=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    of_outputs=((1, 1, 1, 0), (0, 1, -1, -1)),
    of_weights=((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
)
FOUR = Filtering(
    of_inputs=(
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
    of_outputs=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    of_weights=(
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
)
