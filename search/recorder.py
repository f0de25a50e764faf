"""Tells the store of each trial as it is measured, and the caller of its progress.

A `RunRecorder` belongs to a tuning run and hands a `TaskRecorder` to each of its tasks. A task's recorder hears of a
batch from the strategy and once more at its end; in between the pools report each build and run to the run's recorder.
What they did not report (a stock builder or runner) is recorded at the batch's end.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from search.bo.surrogate import Trust
from search.measure.correctness import NumbersCheck
from search.measure.observer import INTERRUPTED
from search.measure.reference_kernels import Canaries
from tunedb.errors import MeasurementError
from tunedb.identity import trace_id, trial_id_of
from tunedb.metaschedule.replay import trial_from_measurement
from tunedb.query.estimates import Estimate, estimate
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Outcome, Source, Target, Trace, Trial, Workload
from tunedb.store.contract import Store

_log = logging.getLogger(__name__)

_HOPELESS = 1.5  # times the best: measurements of the same program differ by a sixth at most
_FLUSH_SECS = 1.0  # at most so much finished work is lost to a kill; an append takes about 10 ms


@dataclass(frozen=True, slots=True)
class TrialEvent:
    """One finished trial, for progress displays."""

    number: int  # from 1, over all tasks of the run
    total: int
    task_name: str
    outcome: Outcome
    secs: float | None  # latency as the store estimates it; None for a failure
    best_secs: float | None  # of the task's best so far, this trial included
    is_best: bool  # this trial is that best
    error: str
    elapsed_secs: float
    trial_id: str


def _secs(trial: Trial) -> float:
    return estimate([trial.run_secs]).secs


class RunRecorder:
    """Turns a run's measurements into trials and appends them to the store.

    Args:
        store: where to; None keeps the trials here only.
        target: what is tuned for.
        hardware: on which machine.
        source: the tuning run.
        total: trials that the run may take, for the events.
        on_trial: called after each trial.
        conditions: under which candidates are measured.
    """

    def __init__(
        self,
        store: Store | None,
        target: Target,
        hardware: Hardware,
        source: Source,
        *,
        total: int,
        on_trial: Callable[[TrialEvent], None] | None = None,
        conditions: str = DEFAULT_CONDITIONS,
    ) -> None:
        self.conditions = conditions
        self.store, self.target, self.hardware, self.source, self.total = store, target, hardware, source, total
        self.tasks: list[TaskRecorder] = []
        self.num_trials = 0
        self.num_passes = 0
        self._on_trial = on_trial
        self._current: TaskRecorder | None = None
        self._pending: list[Trial] = []
        self._pending_programs: dict[str, tuple[Workload, Module]] = {}
        self._canaries: Canaries | None = None
        self._own_kernels: list[
            tuple[list[tuple[Workload, Module]], list[Trial]]
        ] = []  # the canaries', to be stored with the next
        self._started = self._flushed = time.monotonic()

    @property
    def elapsed_secs(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def for_task(self, program: tuple[Workload, Module], name: str) -> TaskRecorder:
        """The recorder of one of the run's tasks."""
        recorder = TaskRecorder(self, *program, name)
        self.tasks.append(recorder)
        return recorder

    def use_canaries(self, canaries: Canaries) -> None:
        """Measures a machine's own kernels now, and again with each batch.

        Raises:
            MeasurementError: this machine cannot run code for the target.
        """
        self._canaries = canaries
        self._add_canaries()

    def measure_canaries(self) -> None:
        """A batch is about to be measured."""
        try:
            self._add_canaries()
        except MeasurementError as error:  # the batch will tell
            _log.info("%s", error)

    @property
    def drift(self) -> float:
        """How much slower than at its best the machine is in this batch; 1 for not at all."""
        return self._canaries.drift if self._canaries is not None else 1.0

    @property
    def worst_drift(self) -> float:
        """The largest `drift` so far."""
        return self._canaries.worst_drift if self._canaries is not None else 1.0

    def _add_canaries(self) -> None:
        if self._canaries is not None:
            programs, trials = self._canaries.measure(self.hardware, self.source)
            self._own_kernels.append((programs, trials))

    def begin_batch(self, task: TaskRecorder) -> None:
        """What the pools report from now on is `task`'s."""
        self._current = task

    def built(self, index: int, artifact_path: str | None, outcome: Outcome, error: str) -> None:
        """See `search.measure.observer.MeasureObserver`."""
        if self._current is not None:
            self._current.built(index, artifact_path, outcome, error)

    def ran(self, artifact_path: str, run_secs: list[float] | None, outcome: Outcome, error: str) -> None:
        """See `search.measure.observer.MeasureObserver`."""
        if self._current is not None:
            self._current.ran(artifact_path, run_secs, outcome, error)

    def stop_above(self) -> float:
        """Seconds above which a candidate of the current task needs no second run: no noise makes it the best."""
        best = self._current.best if self._current is not None else None
        return float("inf") if best is None else _HOPELESS * self.drift * _secs(best)

    def add(self, task: TaskRecorder, trial: Trial) -> None:
        """A finished trial of a task."""
        self.num_trials += 1
        self._pending.append(trial)
        self._pending_programs[task.module.module_id] = (task.workload, task.module)
        if time.monotonic() - self._flushed > _FLUSH_SECS:
            self.flush()
        if self._on_trial is not None:
            best = task.best
            self._on_trial(
                TrialEvent(
                    number=self.num_trials,
                    total=self.total,
                    task_name=task.name,
                    outcome=trial.outcome,
                    secs=_secs(trial) if trial.run_secs else None,
                    best_secs=_secs(best) if best else None,
                    is_best=trial is best,
                    error=trial.error,
                    elapsed_secs=self.elapsed_secs,
                    trial_id=trial.trial_id,
                )
            )

    def add_pass(self, task: TaskRecorder, trial: Trial) -> None:
        """A further measurement of one of a task's schedules."""
        self.num_passes += 1
        self._pending.append(trial)
        self._pending_programs[task.module.module_id] = (task.workload, task.module)

    def flush(self) -> None:
        """Appends what is pending to the store."""
        self._flushed = time.monotonic()
        if self._pending and self.store is not None:
            kernels, self._own_kernels = self._own_kernels, []  # never without a trial: they say how it was measured
            for programs, trials in kernels:
                self._pending += trials
                self._pending_programs |= {program[1].module_id: program for program in programs}
            self.store.append(
                self._pending,
                workloads=[workload for workload, _ in self._pending_programs.values()],
                modules=[module for _, module in self._pending_programs.values()],
                targets=[self.target],
                hardware=[self.hardware],
                sources=[self.source],
            )
        self._pending, self._pending_programs = [], {}


@dataclass(frozen=True, slots=True)
class Measured:
    """A schedule: its fastest trial, and what all its measurements say together."""

    trial: Trial
    estimate: Estimate


class TaskRecorder:
    """The trials of one task; made by `RunRecorder.for_task`."""

    def __init__(self, run: RunRecorder, workload: Workload, module: Module, name: str) -> None:
        self.run, self.workload, self.module, self.name = run, workload, module, name
        self.trials: list[Trial] = []
        self.passes: list[Trial] = []  # further measurements of their schedules
        self.trust: Trust | None = None  # in the cost model, after the last batch
        self.strategy_secs = 0.0  # spent choosing what to measure
        self.numbers: NumbersCheck | None = None
        self.predicted: Trace | None = None  # what a search that measures nothing believes to be the best
        self._best: Trial | None = None
        self._batch: Sequence[Any] = ()
        self._recorded: set[int] = set()
        self._index_of_artifact: dict[str, int] = {}

    @property
    def best(self) -> Trial | None:
        """The fastest trial so far, by the store's own estimate; None before any succeeded."""
        return self._best

    def schedules(self) -> list[Measured]:
        """What was measured of each schedule that runs, the fastest first, pooled as the store pools it."""
        of_schedule: dict[str, list[Trial]] = defaultdict(list)
        for trial in (*self.trials, *self.passes):
            if trial.outcome is Outcome.OK:
                of_schedule[trace_id(trial.trace)].append(trial)
        found = [
            Measured(min(trials, key=lambda one: one.run_secs_median), estimate([one.run_secs for one in trials]))
            for trials in of_schedule.values()
        ]
        return sorted(found, key=lambda one: (one.estimate.secs, one.trial.trial_id))

    def add_pass(self, trial: Trial, run_secs: Sequence[float], measured_at: datetime) -> None:
        """A schedule of the run was measured once more: it counts for the schedule, and as no trial of the search."""
        position = self.run.num_trials + self.run.num_passes
        again = replace(trial, run_secs=tuple(run_secs), position=position, measured_at=measured_at)
        again = replace(again, trial_id=trial_id_of(again))
        self.passes.append(again)
        self.run.add_pass(self, again)
        self._best = self.schedules()[0].trial

    def begin_batch(self, candidates: Sequence[Any]) -> None:
        """The strategy hands these measure candidates to the builder."""
        self._batch = candidates
        self._recorded.clear()
        self._index_of_artifact.clear()
        self.run.begin_batch(self)

    def built(self, index: int, artifact_path: str | None, outcome: Outcome, error: str) -> None:
        """The batch's candidate `index` was built, or failed to."""
        if artifact_path is None:
            self._record(index, None, outcome, error)
        else:
            self._index_of_artifact[artifact_path] = index

    def ran(self, artifact_path: str, run_secs: list[float] | None, outcome: Outcome, error: str) -> None:
        """The candidate built at `artifact_path` was run, or failed to."""
        index = self._index_of_artifact.get(artifact_path)
        if index is not None:
            self._record(index, run_secs, outcome, error)

    def end_batch(self, results: Sequence[Any]) -> None:
        """The batch's runner results, in order; records what was not reported one by one."""
        for index, result in enumerate(results):
            error = str(result.error_msg or "")
            if index in self._recorded or error == INTERRUPTED:
                continue  # known already, or never run and so nothing to remember
            run_secs = [float(secs) for secs in result.run_secs or ()]
            good = bool(run_secs) and not error
            self._record(index, run_secs if good else None, Outcome.OK if good else Outcome.FAILED, error)
        self.run.flush()

    def _record(self, index: int, run_secs: list[float] | None, outcome: Outcome, error: str) -> None:
        self._recorded.add(index)
        candidate = self._batch[index]
        trial = trial_from_measurement(
            self.module,
            self.run.target,
            self.run.hardware,
            self.run.source,
            position=self.run.num_trials,
            trace=candidate.sch.trace,
            args_info=[info.as_json() for info in candidate.args_info],
            run_secs=run_secs,
            outcome=outcome,
            error=error,
            measured_at=datetime.now(UTC),
            conditions=self.run.conditions,
        )
        self.trials.append(trial)
        if trial.outcome is Outcome.OK and (self._best is None or _secs(trial) < _secs(self._best)):
            self._best = trial
        self.run.add(self, trial)
