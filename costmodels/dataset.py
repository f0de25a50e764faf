"""Trials with their features, in pools: what a cost model is fitted to. Pure numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pool:
    """What was measured of one workload on one target of one machine."""

    workload_id: str
    name: str
    family: str  # of operators, with what is fused behind it: "conv2d+relu"; "unknown" where it has no name
    target_id: str
    features: NDArray[np.float64]  # [n, d]
    scores: NDArray[np.float64]  # [n] best latency / latency, in (0, 1]
    trial_ids: tuple[str, ...]
    anonymous_ids: tuple[str, ...] = ()  # ids of the same trials in a log that names no machine; () when these are they
    best_secs: float = 1.0  # the best latency
    is_background: bool = False  # learned from, and nothing is judged by it
    code: NDArray[np.float64] | None = None  # [n, c] of the machine code, NaN where nothing was compiled

    def __len__(self) -> int:
        return len(self.trial_ids)

    def without(self, trial_ids: Collection[str]) -> Pool:
        """The pool without some trials."""
        kept = [place for place, trial_id in enumerate(self.trial_ids) if trial_id not in trial_ids]
        if len(kept) == len(self):
            return self
        return dataclasses.replace(
            self,
            features=self.features[kept],
            scores=self.scores[kept],
            trial_ids=tuple(self.trial_ids[place] for place in kept),
            anonymous_ids=tuple(self.anonymous_ids[place] for place in kept if self.anonymous_ids),
            code=None if self.code is None else self.code[kept],
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """n trials of g pools: a pool is what was measured of one workload on one target of one machine."""

    features: NDArray[np.float64]  # [n, d]
    scores: NDArray[np.float64]  # [n] best latency of the pool / latency, in (0, 1]
    groups: NDArray[np.int64]  # [n] index into `workload_ids`
    workload_ids: tuple[str, ...]  # g; a workload may have several pools
    trial_ids: tuple[str, ...]  # n
    best_secs: NDArray[np.float64] | None = None  # [g] best latency of each pool, seconds; None is one second
    code: NDArray[np.float64] | None = None  # [n, c] features of the machine code, NaN where nothing was compiled

    def __len__(self) -> int:
        return len(self.trial_ids)

    @property
    def log_costs(self) -> NDArray[np.float64]:
        """[n] -log(score): log latency relative to the pool's best, nats."""
        return np.asarray(-np.log(self.scores), dtype=np.float64)

    @property
    def log_secs(self) -> NDArray[np.float64]:
        """[n] log latency, nats of seconds."""
        if self.best_secs is None:
            return self.log_costs
        return np.asarray(np.log(self.best_secs)[self.groups] + self.log_costs, dtype=np.float64)

    @property
    def is_compiled(self) -> NDArray[np.bool_]:
        """[n] whether the machine code of a trial is known."""
        return np.zeros(len(self), dtype=np.bool_) if self.code is None else ~np.isnan(self.code[:, 0])

    @property
    def workloads(self) -> NDArray[np.int64]:
        """[n] a number for each workload: what must not stand on both sides of a split."""
        numbers = np.unique(np.asarray(self.workload_ids), return_inverse=True)[1]
        return np.asarray(numbers[self.groups], dtype=np.int64)

    def rows(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows where `mask` [n] is true; pools keep their numbers."""
        return Dataset(
            self.features[mask],
            self.scores[mask],
            self.groups[mask],
            self.workload_ids,
            tuple(t for t, keep in zip(self.trial_ids, mask, strict=True) if keep),
            self.best_secs,
            None if self.code is None else self.code[mask],
        )


def dataset_of(pools: Sequence[Pool]) -> Dataset:
    """Pools as what a model is fitted to.

    Raises:
        ValueError: there is none.
    """
    return Dataset(
        np.concatenate([pool.features for pool in pools]),
        np.concatenate([pool.scores for pool in pools]),
        np.concatenate([np.full(len(pool), number) for number, pool in enumerate(pools)]),
        tuple(pool.workload_id for pool in pools),
        tuple(trial_id for pool in pools for trial_id in pool.trial_ids),
        np.asarray([pool.best_secs for pool in pools]),
        stacked([row for pool in pools for row in (pool.code if pool.code is not None else [None] * len(pool))]),
    )


def not_among(pools: Iterable[Pool], known: Iterable[Pool]) -> list[Pool]:
    """Pools without the trials that others hold already, be it under the name of a machine that these do not know."""
    held = {trial_id for pool in known for trial_id in (*pool.trial_ids, *pool.anonymous_ids)}
    return [rest for pool in pools if len(rest := pool.without(held))]


def stacked(rows: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """Rows [n, c], NaN where there is none; None where there is none at all."""
    width = next((len(row) for row in rows if row is not None), 0)
    unknown = np.full(width, np.nan)
    return np.stack([unknown if row is None else row for row in rows]) if width else None


def fold_numbers(groups: NDArray[np.int64], folds: int, *, seed: int) -> NDArray[np.int64]:
    """A fold [n] in [0, folds) for each row, so that no group is split and folds are of like size.

    With a single group its rows are dealt out instead. There are never more folds than groups (or rows).
    """
    rng = np.random.default_rng(seed)
    present, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(present) < 2:
        return np.asarray(rng.permutation(len(groups)) % max(1, min(folds, len(groups))), dtype=np.int64)
    folds = min(folds, len(present))
    fold_of = np.zeros(len(present), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    order = rng.permutation(len(present))
    for group in order[np.argsort(-sizes[order], kind="stable")]:  # the largest first, into the emptiest fold
        fold_of[group] = int(np.argmin(filled))
        filled[fold_of[group]] += sizes[group]
    return np.asarray(fold_of[inverse], dtype=np.int64)
