"""A Gaussian process with a Matern kernel of fixed parameters, in numpy alone, and how its inputs are standardised.

scikit-learn's does the same; importing it takes longer than everything that a tuning run asks of it. Notation and
algorithm: Rasmussen and Williams, "Gaussian Processes for Machine Learning", algorithm 2.1 and equation 4.17.

    X [n, d]   what was observed, y [n] with noise variance s [n]
    L [n, n]   Cholesky factor of k(X, X) + diag(s)
    V [n, m]   L^-1 k(X, X*): mean V^T L^-1 y, covariance k(X*, X*) - V^T V
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_JITTER = 1e-10  # of the variance: equal rows make no singular matrix


class GaussianProcess:
    """A zero-mean Gaussian process.

    Args:
        variance: The variance of the process, prior to any observation.
        length_scale: The length scale of the kernel, in the unit of the inputs.
        nu: The smoothness of the kernel, 1.5 or 2.5.
    """

    def __init__(self, *, variance: float = 1.0, length_scale: float, nu: float) -> None:
        if nu not in (1.5, 2.5):
            raise ValueError(f"nu must be 1.5 or 2.5, not {nu}")
        self._variance, self._length_scale, self._nu = variance, length_scale, nu
        self._inputs: FloatArray | None = None
        self._whitener = self._weights = np.empty(0)

    def fit(self, inputs: FloatArray, values: FloatArray, noise: FloatArray | float) -> GaussianProcess:
        """Conditions it on values [n] at inputs [n, d], each with the variance of its noise [n]; returns itself."""
        covariance = self._kernel(inputs, inputs)
        covariance[np.diag_indices_from(covariance)] += noise + _JITTER * self._variance
        self._inputs = inputs
        self._whitener = np.linalg.inv(np.linalg.cholesky(covariance))  # L^-1: n is a few hundred at most
        self._weights = self._whitener @ values
        return self

    def marginals(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations [m] at inputs [m, d]."""
        if self._inputs is None:
            return np.zeros(len(inputs)), np.full(len(inputs), math.sqrt(self._variance))
        explained = self._whitener @ self._kernel(self._inputs, inputs)
        left = self._variance - (explained**2).sum(axis=0)
        return self._weights @ explained, np.sqrt(np.clip(left, 0.0, None))

    def joint(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means [m] and covariance [m, m] at inputs [m, d]."""
        covariance = self._kernel(inputs, inputs)
        if self._inputs is None:
            return np.zeros(len(inputs)), covariance
        explained = self._whitener @ self._kernel(self._inputs, inputs)
        return self._weights @ explained, covariance - explained.T @ explained

    def _kernel(self, one: FloatArray, other: FloatArray) -> FloatArray:
        squared = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2.0 * one @ other.T
        distance = np.sqrt(np.clip(squared, 0.0, None)) * (math.sqrt(2.0 * self._nu) / self._length_scale)
        polynomial = 1.0 + distance if self._nu == 1.5 else 1.0 + distance + distance**2 / 3.0
        return np.asarray(self._variance * polynomial * np.exp(-distance), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Zero mean and unit deviation, over the square root of the number of features: typical distances are near 1."""

    mean: FloatArray  # [d]
    scale: FloatArray  # [d]; 0 for features that do not vary

    @classmethod
    def of(cls, features: FloatArray) -> Standardisation:
        """The standardisation of features [n, d]."""
        spread = features.std(axis=0)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
        return cls(features.mean(axis=0), scale / np.sqrt(max(int((scale > 0).sum()), 1)))

    def apply(self, features: FloatArray) -> FloatArray:
        """Standardised features [n, d]; none further out than ten deviations, however odd the candidate."""
        bound = 10.0 / np.sqrt(max(int((self.scale > 0).sum()), 1))
        return np.clip((features - self.mean) * self.scale, -bound, bound)
