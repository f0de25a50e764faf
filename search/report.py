"""What a tuning run found, for its caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.contract import Trust
from search.measurable import LeftOut
from search.measure.correctness import NumbersCheck
from search.recorder import Recorder, TaskRecorder
from search.space.funnel import Funnel
from search.standing import Standing
from tunedb.errors import MeasurementError
from tunedb.query.estimates import Estimate
from tunedb.records import Outcome, Target, Trace, Trial

_NOT_BUILT = (Outcome.COMPILE_ERROR, Outcome.COMPILE_TIMEOUT)


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a run found for one task."""

    name: str
    workload_hash: str  # our workload id
    trials: int
    failed: int
    passes: int  # further measurements of the fastest schedules, until they could be told apart
    best: Trial | None  # the fastest trial of the fastest schedule; None when no trial succeeded
    latency: Estimate | None = None  # of that schedule, as `tunedb best` has it: earlier runs' passes included
    before: Estimate | None = None  # of the best schedule that the store had before the run
    numbers: NumbersCheck | None = None  # whether the best computes what the untuned program does; None: not asked
    predicted: Trace | None = None  # when nothing was to be measured: the schedule believed to be the best; it compiles
    trust: Trust | None = None  # in the cost model that the search started from, when there was one
    funnel: Funnel | None = None  # what became of its candidates before any was built; None: the strategy is stock's
    built: int = 0  # trials whose program could be built


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What a tuning run did. `tasks` has the heaviest task first."""

    target: Target
    strategy: str
    seed: int
    prior: str  # what the search started from, for people
    trials: int
    failed: int
    elapsed_secs: float
    strategy_secs: float  # of these, spent by a tuner in choosing what to measure
    interrupted: bool
    source_id: str
    drift: float  # by which the machine was slower than at its best, in its slowest batch; 1 for not at all
    tasks: tuple[TaskReport, ...]
    left_out: tuple[LeftOut, ...] = ()  # tasks of which nothing was measured, or predicted, and why
    standing: Standing | None = None  # of a network whose trials were shared among its tasks
    machine: Mapping[str, object] | None = None  # how busy it was, by `search.measure.surroundings`


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a task besides its trials."""

    trust: Trust | None = None
    funnel: Funnel | None = None
    numbers: NumbersCheck | None = None
    predicted: Trace | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended."""

    recorder: Recorder
    strategy: str
    seed: int
    prior: str
    strategy_secs: float = 0.0
    interrupted: bool = False
    drift: float = 1.0
    left_out: tuple[LeftOut, ...] = ()
    standing: Standing | None = None
    found: Mapping[TaskRecorder, Found] = field(default_factory=dict)


def report(run: Run, weights: Mapping[str, float]) -> TuneReport:
    """The report of a run.

    Args:
        run: The run.
        weights: The weight of each task, by its name.

    Returns:
        What it did.

    Raises:
        MeasurementError: Every single trial failed.
    """
    recorder = run.recorder
    everything = [trial for task in recorder.tasks for trial in task.trials]
    failed = _failed(everything)
    if everything and len(failed) == len(everything) and not run.interrupted:
        last = failed[-1]
        raise MeasurementError(
            f"all {len(failed)} trials failed; the last one, {last.outcome}: {last.error or 'no cause'}"
        )
    tasks = [_of_task(task, run.found.get(task, Found())) for task in recorder.tasks]
    tasks.sort(key=lambda task: -weights.get(task.name, 1.0))
    return TuneReport(
        target=recorder.target,
        strategy=run.strategy,
        seed=run.seed,
        prior=run.prior,
        trials=len(everything),
        failed=len(failed),
        elapsed_secs=recorder.elapsed_secs,
        strategy_secs=run.strategy_secs,
        interrupted=run.interrupted,
        source_id=recorder.source.source_id,
        drift=run.drift,
        tasks=tuple(tasks),
        left_out=run.left_out,
        standing=run.standing,
    )


def _of_task(task: TaskRecorder, found: Found) -> TaskReport:
    return TaskReport(
        name=task.name,
        workload_hash=task.workload.workload_id,
        trials=len(task.trials),
        failed=len(_failed(task.trials)),
        passes=len(task.repeats),
        best=task.best.trial if task.best else None,
        latency=task.best.estimate if task.best else None,
        before=task.before,
        numbers=found.numbers,
        predicted=found.predicted,
        trust=found.trust,
        funnel=found.funnel,
        built=sum(trial.outcome not in _NOT_BUILT for trial in task.trials),
    )


def _failed(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.outcome is not Outcome.OK]
