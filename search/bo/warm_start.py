"""What a store knows of a task: its earlier trials, those on other targets, the best of similar workloads."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from costmodels.shipped import BestSchedules
from tunedb.errors import NotFoundError
from tunedb.metaschedule.stand_ins import lacking
from tunedb.program.targets import family
from tunedb.query.nearest import distance
from tunedb.records import DEFAULT_CONDITIONS, NETWORK_CONDITIONS, Outcome, Target, Trace, Trial, Workload
from tunedb.store.contract import StoreReader

_MOST_TRIALS = 512  # each is replayed, at some milliseconds
_MOST_OF_OTHER_TARGETS = 64
_SIMILAR = 12  # workloads
_BEST_OF_EACH = 4  # schedules


@dataclass(frozen=True, slots=True)
class History:
    """What a search begins with."""

    trials: tuple[Trial, ...] = ()  # of this workload and target, failures too, the fastest first: not measured again
    other_targets: tuple[Trial, ...] = ()  # the best of this workload on other targets of the kind
    similar: tuple[Trace, ...] = ()  # the best under other conditions, then of similar workloads, the nearest first

    def __len__(self) -> int:
        return len(self.trials) + len(self.other_targets) + len(self.similar)


def recall(
    store: StoreReader,
    workload: Workload,
    target: Target,
    shipped: Sequence[BestSchedules] = (),
    conditions: str = DEFAULT_CONDITIONS,
) -> History:
    """What is known of a workload, and of workloads that compute the same thing in other sizes.

    Args:
        store: The store that trials are read from.
        workload: The workload that is to be tuned.
        target: The target that it is tuned for.
        shipped: Bundled schedules, before which the store's own are put.
        conditions: The conditions of measurement: latencies under others say nothing here.

    Returns:
        What a search can begin with.
    """
    others = [other for other in store.targets() if other.kind == target.kind and other.target_id != target.target_id]
    others.sort(key=lambda other: family(other) != family(target))
    trials: list[Trial] = []
    other_targets: list[Trial] = []
    similar: list[Trace] = []
    known = store.workloads()
    if any(row.workload_id == workload.workload_id for row in known):
        every = list(store.trials(workload.workload_id, target.target_id, conditions=conditions))
        trials = sorted(every, key=lambda trial: (trial.run_secs_median, trial.trial_id))[:_MOST_TRIALS]
        for other in others:
            share = _MOST_OF_OTHER_TARGETS // len(others) or 1
            found = store.best(workload.workload_id, other.target_id, share, conditions=conditions)
            other_targets += [trial for trial in found if not lacking(trial.trace, target)]
        for under in (one for one in (NETWORK_CONDITIONS, DEFAULT_CONDITIONS) if one != conditions):
            elsewhere = store.best(workload.workload_id, target.target_id, _BEST_OF_EACH, conditions=under)
            similar += [trial.trace for trial in elsewhere]
    bundled: dict[str, list[BestSchedules]] = defaultdict(list)
    for row in shipped:
        bundled[row.workload_id].append(row)
    distances = {row.workload_id: distance(workload, row) for row in shipped}
    distances |= {row.workload_id: distance(workload, row) for row in known if row.workload_id != workload.workload_id}
    near = sorted((apart, key) for key, apart in distances.items() if math.isfinite(apart))
    for _, workload_id in near[:_SIMILAR]:
        mine = [] if workload_id == workload.workload_id else _best(store, workload_id, (target, *others), conditions)
        best = [trial.trace for trial in mine] + _best_of(bundled[workload_id], target)
        similar += [trace for trace in best if not lacking(trace, target)][:_BEST_OF_EACH]
    return History(tuple(trials), tuple(other_targets), tuple(similar))


def failed(trial: Trial) -> bool:
    """Whether a trial has no run time."""
    return trial.outcome is not Outcome.OK


def _best(store: StoreReader, workload_id: str, targets: Sequence[Target], conditions: str) -> list[Trial]:
    """The best schedules on the first target that has any; measured under other conditions if need be."""
    for target, under in itertools.product(targets, dict.fromkeys((conditions, DEFAULT_CONDITIONS))):
        try:
            found = store.best(workload_id, target.target_id, _BEST_OF_EACH, conditions=under)
        except NotFoundError:
            continue
        if found:
            return found
    return []


def _best_of(shipped: Sequence[BestSchedules], target: Target) -> list[Trace]:
    """Of schedules of one workload those for the target that is most like this one."""
    if not shipped:
        return []

    def unlike(row: BestSchedules) -> tuple[bool, bool]:
        return row.target.target_id != target.target_id, family(row.target) != family(target)

    return list(min(shipped, key=unlike).traces)
