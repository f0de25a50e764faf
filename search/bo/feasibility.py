"""How likely a candidate is to build and run, from those of this run that did and did not.

A kernel-weighted vote of what was tried nearby, on top of a few imagined successes: with no failure all are
equally likely to work, and a region of failures is left. (On a CPU few candidates fail; on a GPU most random ones do.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_IMAGINED = 1.0  # successes that every candidate is given beforehand
_BANDWIDTH = 0.5  # in standardised distance, in which typical candidates are 1 to 2 apart


def log_feasibility(features: FloatArray, tried: FloatArray, worked: npt.NDArray[np.bool_]) -> FloatArray:
    """Log probability [n] that candidates with standardised features [n, d] work.

    Args:
        features: Standardised features [n, d] of the candidates.
        tried: Standardised features [m, d] of what was measured.
        worked: Which of these succeeded [m].

    Returns:
        Log probabilities [n].
    """
    if not len(worked) or worked.all():
        return np.zeros(len(features))
    squared = (features**2).sum(1)[:, None] + (tried**2).sum(1)[None, :] - 2.0 * features @ tried.T
    weights = np.exp(-np.clip(squared, 0.0, None) / (2.0 * _BANDWIDTH**2))  # [n, m]
    return np.asarray(np.log((_IMAGINED + weights @ worked) / (_IMAGINED + weights.sum(1))), dtype=np.float64)
