"""Picks the good ones that are unlike each other.

The best of a pool are often the same program but for a factor: their changes find one corner of the space again and
again. A step away from each other, they are starting points of several.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_APART = 0.15  # in standardised distance, in which typical candidates are 1 to 2 apart
_LOOKED_AT = 8  # of the best scored, so many for each that is asked for


def unlike(scores: FloatArray, features: FloatArray, number: int) -> npt.NDArray[np.int64]:
    """The best scored candidates of which no two are look-alikes; look-alikes too where there are too few others.

    Args:
        scores: Of candidates [n]; lower is better.
        features: Their standardised features [n, d].
        number: How many at most.

    Returns:
        Their places, the best first: those unlike each other, then the best of the rest.
    """
    order = np.argsort(scores, kind="stable")[: _LOOKED_AT * number]
    among = features[order]
    is_free = np.ones(len(order), dtype=bool)
    picked: list[int] = []
    while is_free.any() and len(picked) < number:
        place = int(np.argmax(is_free))
        picked.append(place)
        is_free &= np.linalg.norm(among - among[place], axis=1) > _APART
        is_free[place] = False
    rest = np.setdiff1d(np.arange(len(order)), picked)[: number - len(picked)]
    chosen: npt.NDArray[np.int64] = order[np.concatenate([np.array(picked, dtype=np.int64), rest])]
    return chosen
