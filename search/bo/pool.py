"""Candidates with what is known of each before it is measured: features and a prior mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.space.spaces import Candidate

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """n candidates with their features [n, d] and prior means [n] (nats of log latency)."""

    candidates: tuple[Candidate, ...]
    features: FloatArray
    prior: FloatArray

    def __len__(self) -> int:
        return len(self.candidates)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pool:
        """The candidates at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Pool(tuple(self.candidates[i] for i in chosen), self.features[chosen], self.prior[chosen])

    def join(self, other: Pool) -> Pool:
        """This pool followed by another."""
        return joined([self, other])


EMPTY = Pool((), np.empty((0, 0)), np.empty(0))


def joined(pools: Sequence[Pool]) -> Pool:
    """The candidates of several pools, one pool after the other."""
    filled = [pool for pool in pools if len(pool)]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    return Pool(
        tuple(candidate for pool in filled for candidate in pool.candidates),
        np.vstack([pool.features for pool in filled]),
        np.concatenate([pool.prior for pool in filled]),
    )
