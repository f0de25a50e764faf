"""What is remembered that bears on a task: its own trials, those on other targets, the best of its relatives."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from costmodels.shipped import BestSchedules
from tunedb.errors import NotFoundError
from tunedb.program.targets import family
from tunedb.records import Outcome, Target, Trace, Trial, Workload
from tunedb.store.contract import Store

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


def recall(store: Store, workload: Workload, target: Target, shipped: Sequence[BestSchedules] = ()) -> History:
    """What is known of a workload, and of workloads that compute the same thing in other sizes.

    Args:
        store: what was measured here.
        workload: what is to be tuned.
        target: what it is tuned for.
        shipped: schedules from elsewhere, which the store's own are put before.
    """
    others = [other for other in store.targets() if other.kind == target.kind and other.target_id != target.target_id]
    others.sort(key=lambda other: family(other) != family(target))
    own: list[Trial] = []
    elsewhere: list[Trial] = []
    known = store.workloads()
    if any(row.workload_id == workload.workload_id for row in known):
        every = list(store.trials(workload.workload_id, target.target_id))
        own = sorted(every, key=lambda trial: (trial.run_secs_median, trial.trial_id))[:_MOST_OWN]
        for other in others:
            elsewhere += store.best(workload.workload_id, other.target_id, _MOST_ELSEWHERE // len(others) or 1)
    from_elsewhere: dict[str, list[BestSchedules]] = defaultdict(list)
    for row in shipped:
        from_elsewhere[row.workload_id].append(row)
    names = {row.workload_id: row.name for row in shipped}
    names |= {row.workload_id: row.name for row in known if row.workload_id != workload.workload_id}
    distances = {key: _distance(workload.name, name) for key, name in names.items()}
    nearest = sorted((key for key in names if math.isfinite(distances[key])), key=lambda key: (distances[key], key))
    relatives: list[Trace] = []
    for workload_id in nearest[:_RELATIVES]:
        mine = [] if workload_id == workload.workload_id else _best(store, workload_id, target, others)
        best = [trial.trace for trial in mine] + _best_of(from_elsewhere[workload_id], target)
        relatives += best[:_BEST_OF_EACH]
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


def _best_of(shipped: Sequence[BestSchedules], target: Target) -> list[Trace]:
    """Of schedules of one workload those for the target that is most like this one."""
    if not shipped:
        return []

    def unlike(row: BestSchedules) -> tuple[bool, bool]:
        return row.target.target_id != target.target_id, family(row.target) != family(target)

    return list(min(shipped, key=unlike).traces)


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
