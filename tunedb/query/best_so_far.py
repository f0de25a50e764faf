"""Best so far against trials and seconds: of a run's tasks one by one, or of all of them together by their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunedb.query.runs import RunTask, Step


@dataclass(frozen=True, slots=True)
class Point:
    """The best so far after a trial."""

    trials: int  # of the run, failed ones too
    secs: float  # from the run's start
    best_secs: float


def of_task(task: RunTask) -> list[Point]:
    """How a task's best latency fell: a point for each improvement; failed trials make none.

    The trials are those of the run, other tasks' among them.
    """
    found: list[Point] = []
    for step in task.steps:
        if step.latency_secs is not None and (not found or step.latency_secs < found[-1].best_secs):
            found.append(Point(step.number, step.secs, step.latency_secs))
    return found


def of_network(
    tasks: Sequence[RunTask], weights: Mapping[str, float], untuned: Mapping[str, float] | None = None
) -> list[Point]:
    """How the time of a network fell: the sum over its tasks of weight times the best so far.

    Args:
        tasks: What was measured.
        weights: How often the network calls each of its tasks, by the workload's id: all of them, measured or not.
        untuned: What a task takes while nothing of it was measured, and where nothing measured is faster, in seconds.

    Returns:
        A point for each improvement; it begins once there is a figure for every task, with none before.
    """
    best = {workload_id: secs for workload_id, secs in (untuned or {}).items() if workload_id in weights}
    steps: list[tuple[Step, str]] = sorted(
        ((step, task.workload_id) for task in tasks for step in task.steps if step.latency_secs is not None),
        key=lambda pair: pair[0].number,
    )
    found: list[Point] = []
    if weights and best.keys() >= weights.keys():
        found.append(Point(0, 0.0, _sum(best, weights)))
    for step, workload_id in steps:
        secs = step.latency_secs
        if secs is None or workload_id not in weights or secs >= best.get(workload_id, float("inf")):
            continue
        best[workload_id] = secs
        if best.keys() >= weights.keys():
            found.append(Point(step.number, step.secs, _sum(best, weights)))
    return found


def _sum(best: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weight * best[workload_id] for workload_id, weight in weights.items())
