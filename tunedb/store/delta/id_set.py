"""Sets of ids that take sixteen bytes an id, and not the two hundred of a set of strings: for millions of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DIGITS = 32
_ID = np.dtype([("high", ">u8"), ("low", ">u8")])
_PIECES = 8


class IdSet:
    """Ids, which are only added. Those that are no 32 hexadecimal digits are kept as they are."""

    def __init__(self) -> None:
        self._pieces: list[NDArray[np.uint64]] = []  # [2, n] each: both halves of n ids, in the order of the first
        self._odd: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count + len(self._odd)

    def update(self, ids: Sequence[str]) -> None:
        """Adds ids that are not there yet."""
        halves, odd = _halves(ids)
        self._odd.update(odd)
        if not halves.shape[1]:
            return
        self._count += halves.shape[1]
        self._pieces.append(_ordered(halves))
        if len(self._pieces) > _PIECES:  # small ones come all the time: the large one is left alone until they add up
            small = [piece for piece in self._pieces if 2 * piece.shape[1] < self._count]
            large = [piece for piece in self._pieces if 2 * piece.shape[1] >= self._count]
            self._pieces = [*large, _ordered(np.concatenate(small, axis=1))]

    def among(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that are in it."""
        halves, odd = _halves(ids)
        found = self._odd.intersection(odd)
        regular = [one for one in ids if _is_regular(one)] if odd else list(ids)
        for high, low in self._pieces:
            begins, ends = (np.searchsorted(high, halves[0], side) for side in ("left", "right"))
            for place in np.flatnonzero(ends > begins).tolist():
                if halves[1, place] in low[begins[place] : ends[place]]:
                    found.add(regular[place])
        return found


def _halves(ids: Sequence[str]) -> tuple[NDArray[np.uint64], list[str]]:
    """Both halves of ids as numbers [2, n], and those ids that are none."""
    odd: list[str] = []
    text = "".join(ids)
    try:
        if len(text) != _DIGITS * len(ids) or any(len(one) != _DIGITS for one in ids):
            raise ValueError
        content = bytes.fromhex(text)
        if 2 * len(content) != len(text) or (not text.islower() and not text.isdecimal()):
            raise ValueError
    except ValueError:
        odd = [one for one in ids if not _is_regular(one)]
        content = bytes.fromhex("".join(one for one in ids if _is_regular(one)))
    made = np.frombuffer(content, _ID)
    return np.stack([made["high"], made["low"]]).astype(np.uint64), odd


def _is_regular(one: str) -> bool:
    return len(one) == _DIGITS and all(digit in "0123456789abcdef" for digit in one)


def _ordered(halves: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(halves[:, np.argsort(halves[0], kind="stable")])
