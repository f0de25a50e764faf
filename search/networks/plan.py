"""Which schedule each program of a network gets: the store's best, else the one that is predicted, else TVM's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from search.contexts import contexts
from search.networks.lowering import Lowered
from search.predict import Asked, Predictor
from search.task import Task
from search.work import guessed_shares
from tunedb.errors import NotFoundError
from tunedb.metaschedule.replay import workload_from_module
from tunedb.metaschedule.stand_ins import lacking, stand_ins
from tunedb.program.targets import target_label
from tunedb.query.ranking import ranked_best
from tunedb.query.verdicts import standing_verdicts
from tunedb.records import DEFAULT_CONDITIONS, NETWORK_CONDITIONS, Target, Trace, Workload
from tunedb.store.contract import StoreReader

_SPARE = 3  # records that stand behind the best
_GPU_SHARE = 0.005  # candidates are looked at as for so small a task: what a GPU's roofline tells of them is coarse


class Origin(StrEnum):
    """Where a schedule comes from."""

    RECORD = "record"  # a trial of the store
    NEAR = "near"  # a trial of the store for another target, which stands in
    PREDICTED = "predicted"  # what the cost model believes to be the fastest; no trial of it is stored
    UNTUNED = "untuned"  # TVM's own


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that a program may get."""

    origin: Origin
    trace: Trace
    record_id: str = ""
    measured_for: str = ""  # the target that stands in, for people; "" for the network's own


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What is known of one program of a network, before any of it is built."""

    task: Task
    workload: Workload
    schedules: tuple[Schedule, ...]  # the first is taken, unless it fails; none: TVM's own


def plan(
    lowered: Lowered,
    store: StoreReader,
    predictor: Predictor | None,
    *,
    takes_near: bool = False,
    on_task: Callable[[int, int, Task], None] | None = None,
) -> list[Choice]:
    """The schedules of each program of a network.

    Args:
        lowered: The network.
        store: The store that is asked for the best of each.
        predictor: Predicts what the store does not have; None leaves that to TVM.
        takes_near: Whether the nearest target that has records stands in where the network's own has none.
        on_task: Called with the number of tasks that are done, of all, and the next.

    Returns:
        A choice for each task, in their order.
    """
    others = stand_ins(store.targets(), lowered.target) if takes_near else []
    tasks, workloads = lowered.tasks, [workload_from_module(task.mod)[0] for task in lowered.tasks]
    found: dict[int, list[Schedule]] = {}
    for place, workload in enumerate(workloads):
        found[place] = _recorded(store, workload, lowered)
        if not found[place] and others:
            found[place] = _nearby(store, workload, lowered, others)
    missing = [place for place, schedules in found.items() if not schedules] if predictor is not None else []
    if predictor is not None and missing:
        made, shares = contexts(tasks, lowered.target, seed=0), guessed_shares(tasks)
        most = _GPU_SHARE if lowered.target.kind == "cuda" else 1.0
        asked = [Asked(tasks[place], made[place], min(shares[place], most)) for place in missing]
        done = itertools.count(len(tasks) - len(missing))

        def on_missing(place: int) -> None:
            if on_task is not None:
                on_task(next(done), len(tasks), tasks[missing[place]])

        for place, predicted in zip(missing, predictor.predict_all(asked, on_missing), strict=True):
            found[place] = [Schedule(Origin.PREDICTED, trace) for trace in predicted.traces]
    return [Choice(task, workloads[place], tuple(found[place])) for place, task in enumerate(tasks)]


def _recorded(store: StoreReader, workload: Workload, lowered: Lowered) -> list[Schedule]:
    """The best that were measured as in a network, else as a single operator is."""
    target_id = lowered.target.target_id
    try:
        verdicts = standing_verdicts(store, workload.workload_id, target_id)
    except NotFoundError:
        return []
    limit = _SPARE + sum(not verdict.agrees for verdict in verdicts.values())  # which are refused at once
    for conditions in (NETWORK_CONDITIONS, DEFAULT_CONDITIONS):
        ranked = ranked_best(store, workload.workload_id, target_id, limit, conditions=conditions)
        if ranked:
            return [Schedule(Origin.RECORD, one.trial.trace, one.trial.trial_id) for one in ranked]
    return []


def _nearby(store: StoreReader, workload: Workload, lowered: Lowered, others: Sequence[Target]) -> list[Schedule]:
    """The best of the nearest target that has any, without those that need instructions which this one has not."""
    for other in others:
        ranked = ranked_best(store, workload.workload_id, other.target_id, _SPARE, conditions=DEFAULT_CONDITIONS)
        found = [one.trial for one in ranked if not lacking(one.trial.trace, lowered.target)]
        if found:
            return [Schedule(Origin.NEAR, one.trace, one.trial_id, target_label(other)) for one in found]
    return []
