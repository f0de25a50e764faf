"""What is remembered that bears on a task: its own trials, those on other targets, the best of its relatives."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from costmodels.shipped import BestSchedules
from tunedb.errors import NotFoundError
from tunedb.program.targets import family
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Target, Trace, Trial, Workload
from tunedb.store.contract import Store

_MOST_OWN = 512  # each is replayed, at some milliseconds
_MOST_ELSEWHERE = 64
_RELATIVES = 12  # workloads
_BEST_OF_EACH = 4  # schedules


class Described(Protocol):
    """Whatever says what a workload computes, and how large it is."""

    @property
    def family(self) -> str:
        """The operator."""

    @property
    def extents(self) -> tuple[int, ...]:
        """Of its axes; () where they are not known."""


@dataclass(frozen=True, slots=True)
class History:
    """What a search begins with."""

    own: tuple[
        Trial, ...
    ] = ()  # of this workload on this target, failures too, the fastest first: never measured again
    elsewhere: tuple[Trial, ...] = ()  # of this workload on other targets of the kind, the best
    relatives: tuple[Trace, ...] = ()  # best schedules of workloads like this one, the nearest first

    def __len__(self) -> int:
        return len(self.own) + len(self.elsewhere) + len(self.relatives)


def recall(
    store: Store,
    workload: Workload,
    target: Target,
    shipped: Sequence[BestSchedules] = (),
    conditions: str = DEFAULT_CONDITIONS,
) -> History:
    """What is known of a workload, and of workloads that compute the same thing in other sizes.

    Args:
        store: what was measured here.
        workload: what is to be tuned.
        target: what it is tuned for.
        shipped: schedules from elsewhere, which the store's own are put before.
        conditions: under which the search measures: latencies under others tell it nothing.
    """
    others = [other for other in store.targets() if other.kind == target.kind and other.target_id != target.target_id]
    others.sort(key=lambda other: family(other) != family(target))
    own: list[Trial] = []
    elsewhere: list[Trial] = []
    known = store.workloads()
    if any(row.workload_id == workload.workload_id for row in known):
        every = list(store.trials(workload.workload_id, target.target_id, conditions=conditions))
        own = sorted(every, key=lambda trial: (trial.run_secs_median, trial.trial_id))[:_MOST_OWN]
        for other in others:
            limit = _MOST_ELSEWHERE // len(others) or 1
            elsewhere += store.best(workload.workload_id, other.target_id, limit, conditions=conditions)
    from_elsewhere: dict[str, list[BestSchedules]] = defaultdict(list)
    for row in shipped:
        from_elsewhere[row.workload_id].append(row)
    others_known: dict[str, Described] = {row.workload_id: row for row in shipped}
    others_known |= {row.workload_id: row for row in known if row.workload_id != workload.workload_id}
    distances = {key: _distance(workload, row) for key, row in others_known.items()}
    nearest = sorted((key for key in distances if math.isfinite(distances[key])), key=lambda key: (distances[key], key))
    relatives: list[Trace] = []
    for workload_id in nearest[:_RELATIVES]:
        mine = [] if workload_id == workload.workload_id else _best(store, workload_id, target, others, conditions)
        best = [trial.trace for trial in mine] + _best_of(from_elsewhere[workload_id], target)
        relatives += best[:_BEST_OF_EACH]
    return History(tuple(own), tuple(elsewhere), tuple(relatives))


def failed(trial: Trial) -> bool:
    """Whether a trial has no run time."""
    return trial.outcome is not Outcome.OK


def _best(store: Store, workload_id: str, target: Target, others: list[Target], conditions: str) -> list[Trial]:
    """The best schedules on the nearest target that has any; measured under other conditions if need be."""
    for candidate, under in itertools.product((target, *others), dict.fromkeys((conditions, DEFAULT_CONDITIONS))):
        try:
            found = store.best(workload_id, candidate.target_id, _BEST_OF_EACH, conditions=under)
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


def _distance(one: Described, other: Described) -> float:
    """How far apart two workloads' extents are, in nats a dimension; infinite for other operators.

    What is fused behind the operator does not count: it decides only whose schedules are looked at first.
    """
    if one.family != other.family or len(one.extents) != len(other.extents) or not one.extents:
        return math.inf
    pairs = zip(one.extents, other.extents, strict=True)
    return sum(abs(math.log(max(1, a) / max(1, b))) for a, b in pairs) / len(one.extents)
