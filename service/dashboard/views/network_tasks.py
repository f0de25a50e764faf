"""A network's tasks as a run leaves them: their shares of its time and of the machine's roof, and the gain left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search.pages.subject import Roof
from search.standing import FADING_GAIN
from service.dashboard.marks import distinct
from tunedb.query.runs import RunTask, TuningRun
from tunedb.units import count

BATCH = 4  # trials of a task that are chosen together


@dataclass(frozen=True, slots=True)
class NetworkTask:
    """A task of the network that has a latency."""

    task: RunTask
    name: str
    secs: float  # of one call: the best of the run, or what was known before
    total_secs: float  # of all its calls
    share: float  # of the network's time
    roof_share: float | None  # of what the machine can do
    gain: float  # share of its own time that its next batch may save


def tasks_of(run: TuningRun, roof: Roof) -> tuple[list[NetworkTask], tuple[str, ...]]:
    """The tasks that have a latency, the heaviest first, and sentences on what is missing of the others.

    Args:
        run: the run.
        roof: what its machine can do.
    """
    names = distinct({task.workload_id: task.name for task in run.tasks})
    known: list[tuple[RunTask, float]] = []
    for task in run.tasks:
        figures = [secs for secs in (task.best_secs, task.before_secs) if secs is not None]
        if figures:
            known.append((task, min(figures)))
    notes = []
    failed = sum(run.failures.values())
    if failed:
        notes.append(f"{count(failed, 'failed trial')} of {run.num_trials} left out.")
    if len(known) < run.num_tasks:
        missing = run.num_tasks - len(known)
        notes.append(f"{count(missing, 'task')} of {run.num_tasks} left out, of which the run has no latency.")
    unweighted = sum(task.weight is None for task, _ in known)
    if unweighted:
        notes.append(f"Nothing says how often {count(unweighted, 'task')} is called: each counts once.")
    whole = sum((task.weight or 1.0) * secs for task, secs in known)
    reached = {dot.workload_id: (dot.flop_per_sec, ceiling(roof, dot.flop_per_byte)) for dot in roof.dots}
    found = []
    for task, secs in known:
        total = (task.weight or 1.0) * secs
        speed = reached.get(task.workload_id)
        # The dot is of the run's own best, which a schedule from before may beat.
        share = None if speed is None or task.best_secs is None else speed[0] / speed[1] * task.best_secs / secs
        name = names[task.workload_id]
        found.append(NetworkTask(task, name, secs, total, total / whole, share, _next_gain(task, share)))
    return sorted(found, key=lambda one: (-one.total_secs, one.name)), tuple(notes)


def ceiling(roof: Roof, flop_per_byte: float) -> float:
    """What the machine can do at an arithmetic intensity, FLOP/s."""
    return min(roof.flop_per_sec, flop_per_byte * roof.bytes_per_sec)


def _next_gain(task: RunTask, roof_share: float | None) -> float:
    """The share of a task's time that its next batch may save, as the scheduler takes it where no tuner can tell.

    It fades with the batches that were made, and with those in a row that found nothing; beyond the roof there is none.
    """
    latencies = [step.latency_secs for step in task.steps]
    batches = max((len(latencies) + task.num_before) / BATCH, 1.0)
    good = [math.inf if secs is None else secs for secs in latencies]
    last = good.index(min(good)) if good else 0
    fruitless = (len(good) - 1 - last) // BATCH
    gain = FADING_GAIN / batches
    if roof_share is not None:
        gain = min(gain, max(-math.log(roof_share), 0.0))
    return -math.expm1(-gain) / (1 + fruitless)
