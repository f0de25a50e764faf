"""Good trials with their features, grouped by workload: what a cost model is fitted to. Pure numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunedb.records import Outcome, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Dataset:
    """n trials of one target, g workloads."""

    features: NDArray[np.float64]  # [n, d]
    scores: NDArray[np.float64]  # [n] best latency of the workload / latency, in (0, 1]
    groups: NDArray[np.int64]  # [n] index into `workload_ids`
    workload_ids: tuple[str, ...]  # g
    trial_ids: tuple[str, ...]  # n

    def __len__(self) -> int:
        return len(self.trial_ids)

    @property
    def log_costs(self) -> NDArray[np.float64]:
        """[n] -log(score): log latency relative to the workload's best, nats."""
        return np.asarray(-np.log(self.scores), dtype=np.float64)

    def rows(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows where `mask` [n] is true; workloads keep their group numbers."""
        return Dataset(
            self.features[mask],
            self.scores[mask],
            self.groups[mask],
            self.workload_ids,
            tuple(t for t, keep in zip(self.trial_ids, mask, strict=True) if keep),
        )


def best_secs(trials: Sequence[Trial]) -> dict[tuple[str, str, str], float]:
    """Best median latency in seconds for each (workload, target, hardware) among good trials."""
    best: dict[tuple[str, str, str], float] = {}
    for trial in trials:
        if trial.outcome is Outcome.OK:
            key = (trial.workload_id, trial.target_id, trial.hardware_id)
            best[key] = min(best.get(key, float("inf")), trial.run_secs_median)
    return best


def make_dataset(
    trials: Sequence[Trial],
    features: Mapping[str, NDArray[np.float64]],
    best: Mapping[tuple[str, str, str], float] | None = None,
) -> Dataset:
    """A dataset of the good trials that have features.

    Args:
        trials: any trials; failed ones and those without features are left out.
        features: row [d] by trial id.
        best: what scores are relative to, when `trials` is a part of what is known (`best_secs` of all).
    """
    best = best_secs(trials) if best is None else best
    kept = [t for t in trials if t.outcome is Outcome.OK and t.trial_id in features and t.run_secs_median > 0]
    workload_ids = tuple(sorted({t.workload_id for t in kept}))
    number = {w: i for i, w in enumerate(workload_ids)}
    scores = [best[(t.workload_id, t.target_id, t.hardware_id)] / t.run_secs_median for t in kept]
    return Dataset(
        np.stack([features[t.trial_id] for t in kept]) if kept else np.empty((0, 0)),
        np.asarray(scores, dtype=np.float64),
        np.asarray([number[t.workload_id] for t in kept], dtype=np.int64),
        workload_ids,
        tuple(t.trial_id for t in kept),
    )


def leave_one_group_out(groups: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Pairs of masks (train [n], test [n]): each group of `groups` [n] is the test set once, in order."""
    for group in np.unique(groups):
        test = groups == group
        yield ~test, test


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
