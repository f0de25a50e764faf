"""What a store remembers that bears on a task: its own trials, those on other targets, the best of its relatives."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tunedb.errors import NotFoundError
from tunedb.records import Outcome, Target, Trace, Trial, Workload
from tunedb.store import Store

_MOST_OWN = 512  # each is replayed, at some milliseconds
_MOST_ELSEWHERE = 64
_RELATIVES = 12  # workloads
_BEST_OF_EACH = 4  # schedules


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


def recall(store: Store, workload: Workload, target: Target) -> History:
    """What the store knows of a workload, and of workloads that compute the same thing in other sizes."""
    others = [other for other in store.targets() if other.kind == target.kind and other.target_id != target.target_id]
    own: list[Trial] = []
    elsewhere: list[Trial] = []
    known = store.workloads()
    if any(row.workload_id == workload.workload_id for row in known):
        every = list(store.trials(workload.workload_id, target.target_id))
        own = sorted(every, key=lambda trial: (trial.run_secs_median, trial.trial_id))[:_MOST_OWN]
        for other in others:
            elsewhere += store.best(workload.workload_id, other.target_id, _MOST_ELSEWHERE // len(others) or 1)
    distances = {
        row.workload_id: distance
        for row in known
        if row.workload_id != workload.workload_id and math.isfinite(distance := _distance(workload.name, row.name))
    }
    relatives: list[Trace] = []
    for workload_id in sorted(distances, key=lambda key: (distances[key], key))[:_RELATIVES]:
        relatives += [trial.trace for trial in _best(store, workload_id, target, others)]
    return History(tuple(own), tuple(elsewhere), tuple(relatives))


def failed(trial: Trial) -> bool:
    """Whether a trial has no run time."""
    return trial.outcome is not Outcome.OK


def _best(store: Store, workload_id: str, target: Target, others: list[Target]) -> list[Trial]:
    for candidate in (target, *others):
        try:
            found = store.best(workload_id, candidate.target_id, _BEST_OF_EACH)
        except NotFoundError:
            continue
        if found:
            return found
    return []


def _distance(one: str, other: str) -> float:
    """How far apart two workloads' extents are, in nats a dimension; infinite for other operators.

    By their names, which tell operator and extents: it decides only whose schedules are looked at first.
    """
    operator, extents = _parts(one)
    other_operator, other_extents = _parts(other)
    if operator != other_operator or len(extents) != len(other_extents) or not extents:
        return math.inf
    return sum(abs(math.log(a / b)) for a, b in zip(extents, other_extents, strict=True)) / len(extents)


def _parts(name: str) -> tuple[str, list[int]]:
    words = name.split(" ")
    extents = next((word for word in words[1:] if re.fullmatch(r"\d+(x\d+)*", word)), "")
    operator = words[0].split("+", maxsplit=1)[0]  # whatever is fused behind it
    return operator, [max(1, int(extent)) for extent in extents.split("x")] if extents else []
