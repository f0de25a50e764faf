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
_LEAST = 0.1  # weight of a decision that makes no difference by itself: with another it may
_NOISE = 0.05  # of the worth's variance: two programs may differ in more than their decisions tell


def relevance(encodings: FloatArray, worth: FloatArray) -> FloatArray:
    """How much of the worth's variance each decision tells by itself, over what the one that tells most does [k].

    Where a block is computed often makes no difference. Were it to count like a tile, half of what is replayed would
    be the same loops over again.

    Args:
        encodings: Decisions of candidates [n, k].
        worth: What is thought of each [n].
    """
    total = float(((worth - worth.mean()) ** 2).sum())
    told = np.zeros(encodings.shape[1])
    for place, column in enumerate(encodings.T):
        _, group = np.unique(column, return_inverse=True)
        sizes = np.bincount(group)
        if 1 < len(sizes) < len(worth) and total > 0.0:
            between = float((np.bincount(group, worth - worth.mean()) ** 2 / sizes).sum()) / total
            by_chance = (len(sizes) - 1) / (len(worth) - 1)
            told[place] = max(0.0, (between - by_chance) / (1.0 - by_chance))
    most = float(told.max(initial=0.0))
    return told / most if most > 0.0 else np.ones_like(told)


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
        self._scale *= np.sqrt(_LEAST + (1.0 - _LEAST) * relevance(encodings, worth))
        self._scale /= np.sqrt(max(float(((self._scale * deviation) ** 2).sum()), 1e-12))
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
