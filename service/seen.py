"""Which traces a workload may have had before, in as much memory whatever their number.

A table of bits, one of which stands for each trace. What was added is always found; of what was not, a few are found
too, and whoever asks looks those up.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_BITS = 1 << 25  # four MiB
_MOST = _BITS // 8  # traces; of others one in nine is then found by chance


class SeenTraces:
    """Traces by workload and target, which are only added."""

    def __init__(self) -> None:
        self._table = np.zeros(_BITS // 8, np.uint8)
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether so many were added that it tells little: begin anew."""
        return self._count > _MOST

    def add(self, pair: tuple[str, str], traces: Collection[str]) -> None:
        """Adds traces of a workload on a target."""
        if traces:
            places = _places(pair, traces)
            np.bitwise_or.at(self._table, places >> 3, _bit(places))
            self._count += len(traces)

    def among(self, pair: tuple[str, str], traces: Collection[str]) -> set[str]:
        """Those of some traces that were added, and perhaps some that were not."""
        if not traces:
            return set()
        asked = list(traces)
        places = _places(pair, asked)
        found = (self._table[places >> 3] & _bit(places)).astype(bool)
        return {trace for trace, is_there in zip(asked, found.tolist(), strict=True) if is_there}


def _places(pair: tuple[str, str], traces: Collection[str]) -> NDArray[np.int64]:
    key = blake2b("|".join(pair).encode(), digest_size=16).digest()
    digests = b"".join(blake2b(trace.encode(), digest_size=8, key=key).digest() for trace in traces)
    return (np.frombuffer(digests, np.uint64) % _BITS).astype(np.int64)


def _bit(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = np.left_shift(1, places & 7).astype(np.uint8)
    return made
