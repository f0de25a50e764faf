"""Scores hundreds of candidates by their decisions alone, in the time that replaying one takes.

To replay a candidate and describe its loops takes 3 to 12 milliseconds; to guess from its decisions, given what a few
hundred replayed ones were thought worth, some microseconds. So a generation is made large, screened, and only the best
guesses are replayed. The guess is a Gaussian process (Matern 3/2) on the encoded decisions of one design space, less
its deviation: what is unlike all that was replayed may be better than the best of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from search.bo.acquisition import lower_confidence_bound
from search.bo.gaussian_process import GaussianProcess

FloatArray = npt.NDArray[np.float64]

_FEWEST = 16
_MOST = 400  # the fit is cubic in them
_LENGTH_SCALE = 2.0
_OPTIMISM = 1.0  # deviations
_NOISE = 0.05  # of the worth's variance: two programs may differ in more than their decisions tell


class Screen:
    """A guess of worth from encoded decisions.

    Args:
        encodings: of candidates of one design space [n, k].
        worth: what is thought of each [n]; lower is better.
    """

    def __init__(self, encodings: FloatArray, worth: FloatArray) -> None:
        self._process: GaussianProcess | None = None
        if len(worth) < _FEWEST:
            return
        best = np.argsort(worth, kind="stable")[:_MOST]  # what is bad needs no telling apart
        encodings, worth = encodings[best], worth[best]
        deviation = encodings.std(axis=0)
        self._mean = encodings.mean(axis=0)
        self._scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        self._scale /= np.sqrt(max(int((self._scale > 0).sum()), 1))
        self._worth, self._spread = float(worth.mean()), float(worth.std()) or 1.0
        self._process = GaussianProcess(length_scale=_LENGTH_SCALE, nu=1.5)
        self._process.fit((encodings - self._mean) * self._scale, (worth - self._worth) / self._spread, _NOISE)

    @property
    def is_ready(self) -> bool:
        """Whether it has seen enough to guess."""
        return self._process is not None

    def guess(self, encodings: FloatArray) -> FloatArray:
        """The worth [m] that candidates with these encodings [m, k] may have."""
        assert self._process is not None
        mean, std = self._process.marginals((encodings - self._mean) * self._scale)
        return self._worth + self._spread * lower_confidence_bound(mean, std, _OPTIMISM)
