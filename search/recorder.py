"""Makes trials of what a run measures: for the store at once, for progress displays as events, for the report.

A `Recorder` belongs to a run and hands a `TaskRecorder` to each of its tasks. A task's recorder is given the candidates
of a batch before they are built; measurements then name the numbers that the device gave them. What was not reported
one by one (a stock builder or runner) is recorded when the batch has ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from search.measure.device import Measurement
from search.trial_writer import TrialWriter
from tunedb.errors import StoreAwayError
from tunedb.identity import schedule_of, trial_id_of
from tunedb.metaschedule.replay import trial_from_measurement
from tunedb.query.estimates import Estimate, estimate
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Outcome, Schedule, Source, Target, Trial, Workload
from tunedb.store.contract import Store

_LOG = logging.getLogger(__name__)

_HOPELESS = 1.5  # times the best: measurements of the same program differ by a sixth at most


@dataclass(frozen=True, slots=True)
class TrialEvent:
    """One finished trial, for progress displays."""

    number: int  # from 1, over all tasks of the run
    total: int
    task_name: str
    outcome: Outcome
    secs: float | None  # latency of its schedule, all passes included (`tunedb.query.estimates`); None for a failure
    best_secs: float | None  # of the task's best so far, this trial included
    is_best: bool  # this trial is that best
    error: str
    elapsed_secs: float
    trial_id: str
    best_passes: int = 1  # measurements of the best that its latency rests on, those of earlier runs included
    is_repeat: bool = False  # of one of the fastest schedules, in the end; `number` is then that of the last trial


@dataclass(frozen=True, slots=True, eq=False)
class Scheduled:
    """A candidate that is to be measured: what its trial will tell of it."""

    trace: Any  # tvm.s_tir.schedule.Trace, postprocessors' part included
    args_info: tuple[Any, ...]  # kind, dtype and shape of each argument, as MetaSchedule writes them in JSON


@dataclass(frozen=True, slots=True)
class Measured:
    """A schedule of this run: its fastest trial in it, and what all its passes say together."""

    trial: Trial
    estimate: Estimate


class Recorder:
    """Turns a run's measurements into trials and appends them to the store, each within a second.

    Args:
        store: The store that trials are appended to; None keeps them here only.
        target: The target that is tuned for.
        hardware: The hardware that candidates run on.
        source: The tuning run.
        total: Trials that the run may take; 0 where that is not known.
        on_trial: Called with each trial once it is stored, in their order, one at a time, by any thread.
        on_repeat: Likewise with each further measurement of one of the fastest schedules.
        conditions: The conditions of measurement (`tunedb.identity.conditions_of`).
        started: When the run began, by `time.monotonic`; None is now.
        limit_secs: After so many seconds somebody ends the run; None is never.
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
        on_repeat: Callable[[TrialEvent], None] | None = None,
        conditions: str = DEFAULT_CONDITIONS,
        started: float | None = None,
        limit_secs: float | None = None,
    ) -> None:
        self.limit_secs = limit_secs
        self.target, self.hardware, self.source, self.total = target, hardware, source, total
        self.conditions = conditions
        self.tasks: list[TaskRecorder] = []
        self.num_trials = 0
        self._num_repeats = 0
        self._on_trial, self._on_repeat = on_trial, on_repeat
        self._store = store
        self._current: TaskRecorder | None = None
        self._writer = TrialWriter(store, target, hardware, source)
        self._started = time.monotonic() if started is None else started

    @property
    def elapsed_secs(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    @property
    def share_left(self) -> float:
        """The share of the run's trials that is left, or of its time if that is less, from 1 to 0; 0 without trials."""
        if not self.total:
            return 0.0
        of_trials = (self.total - self.num_trials) / self.total
        return of_trials if self.limit_secs is None else min(of_trials, max(1 - self.elapsed_secs / self.limit_secs, 0))

    def begin_task(self, workload: Workload, module: Module, name: str) -> TaskRecorder:
        """The recorder of one of the run's tasks.

        Args:
            workload: The task's workload.
            module: The module that its traces schedule.
            name: The task's name, for events and reports.
        """
        known: list[Schedule] = []
        if self._store is not None:
            try:
                known = self._store.schedules(workload.workload_id, self.target.target_id, conditions=self.conditions)
            except StoreAwayError as error:  # it counts as better than known then, and is stored all the same
                _LOG.warning("what is known of %s is not compared with: %s", name, error)
        recorder = TaskRecorder(self, workload, module, name, known)
        self.tasks.append(recorder)
        return recorder

    def begin_batch(self, task: TaskRecorder) -> None:
        """From now on, `numbered` and `measured` are about a task's batch."""
        self._current = task

    def numbered(self, numbers: Sequence[int]) -> None:
        """The device gave the candidates of the current batch these numbers, in their order."""
        if self._current is not None:
            self._current.numbered(numbers)

    def measured(self, measurement: Measurement) -> None:
        """A candidate of the current batch was measured, or failed."""
        if self._current is not None:
            self._current.measured(measurement)

    def enough_secs(self, drift: float = 1.0) -> float:
        """Run time above which a candidate of the current task needs no second run: no noise makes it the best.

        Args:
            drift: How many times slower than at its best the machine is now.

        Returns:
            Seconds; infinite while the task has no best.
        """
        best = self._current.best if self._current is not None else None
        return float("inf") if best is None else _HOPELESS * drift * best.estimate.secs

    def attach(self, trials: Sequence[Trial], modules: Sequence[tuple[Workload, Module]]) -> None:
        """Takes trials of reference kernels, which are stored with the next trial and never without one."""
        self._writer.attach(trials, modules)

    def flush(self) -> None:
        """Appends what is waiting to the store.

        Raises:
            StoreError: The store cannot be written.
        """
        self._writer.flush()

    def flush_soon(self, stored: Callable[[], None]) -> None:
        """Appends what is waiting, without a wait for a store that is elsewhere.

        Args:
            stored: Called once all of it is in the store.

        Raises:
            StoreError: The store cannot be written.
        """
        self._writer.flush_soon(stored)

    def close(self) -> None:
        """Appends what is waiting; nothing is recorded afterwards.

        Raises:
            StoreError: The store cannot be written.
        """
        self._writer.close()

    def add(self, task: TaskRecorder, trial: Trial) -> None:
        """A finished trial of a task."""
        self.num_trials += 1
        self._writer.add(trial, task.workload, task.module, self._teller(self._on_trial, task, trial))

    def add_repeat(self, task: TaskRecorder, trial: Trial) -> None:
        """A further measurement of one of a task's schedules, which is no trial of the search."""
        self._num_repeats += 1
        told = self._teller(self._on_repeat, task, trial, is_repeat=True)
        self._writer.add(trial, task.workload, task.module, told)

    def _teller(
        self,
        listener: Callable[[TrialEvent], None] | None,
        task: TaskRecorder,
        trial: Trial,
        *,
        is_repeat: bool = False,
    ) -> Callable[[], None] | None:
        """What tells a listener of a trial as things stand now, to be called when it is stored."""
        if listener is None:
            return None
        best = task.best
        event = TrialEvent(
            number=self.num_trials,
            total=self.total,
            task_name=task.name,
            outcome=trial.outcome,
            secs=task.latency(trial).secs if trial.run_secs else None,
            best_secs=best.estimate.secs if best else None,
            is_best=best is not None and best.trial is trial,
            error=trial.error,
            elapsed_secs=self.elapsed_secs,
            trial_id=trial.trial_id,
            best_passes=best.estimate.num_rounds if best else 1,
            is_repeat=is_repeat,
        )
        return lambda: listener(event)

    @property
    def position(self) -> int:
        """The position of the next trial or repeat within the run."""
        return self.num_trials + self._num_repeats


class TaskRecorder:
    """The trials of one task; made by `Recorder.begin_task`."""

    def __init__(
        self, run: Recorder, workload: Workload, module: Module, name: str, known: Sequence[Schedule] = ()
    ) -> None:
        self.run, self.workload, self.module, self.name = run, workload, module, name
        self.trials: list[Trial] = []
        self.repeats: list[Trial] = []  # further measurements of their schedules
        self.num_known = len(known)  # schedules that earlier runs measured
        self.before = min((estimate(row.passes) for row in known), key=lambda one: one.secs, default=None)
        """The best that earlier runs found; None where there was none."""
        # By schedule: the run times of every pass, those of earlier runs included, and this run's fastest trial.
        self._passes = {(row.hardware_id, row.trace_id): list(row.passes) for row in known}
        self._measured: dict[tuple[str, str], Measured] = {}
        self._batch: Sequence[Scheduled] = ()
        self._recorded: set[int] = set()
        self._place: dict[int, int] = {}  # in the batch, by the device's number

    @property
    def best(self) -> Measured | None:
        """The fastest schedule that this run has measured so far; None before any succeeded."""
        return min(self._measured.values(), key=_order, default=None)

    def latency(self, trial: Trial) -> Estimate:
        """How fast the schedule of one of this run's good trials is."""
        return self._measured[schedule_of(trial)].estimate

    def schedules(self) -> list[Measured]:
        """What was measured of each schedule of this run that runs, the fastest first, pooled as the store pools it."""
        return sorted(self._measured.values(), key=_order)

    def _pool(self, trial: Trial) -> None:
        """Counts a good measurement for its schedule."""
        key = schedule_of(trial)
        passes = self._passes.setdefault(key, [])
        if trial.run_secs not in passes:  # else the store has it already (`tunedb.identity.passes_of`)
            passes.append(trial.run_secs)
        known = self._measured.get(key)
        fastest = trial if known is None else min(known.trial, trial, key=lambda one: one.run_secs_median)
        self._measured[key] = Measured(fastest, estimate(passes))

    def add_repeat(self, trial: Trial, run_secs: Sequence[float], measured_at: datetime) -> None:
        """Records that a schedule of the run was measured once more; `best` takes it into account.

        Args:
            trial: A trial of the schedule.
            run_secs: The new run times, in seconds.
            measured_at: When they were taken.
        """
        again = replace(trial, run_secs=tuple(run_secs), position=self.run.position, measured_at=measured_at)
        again = replace(again, trial_id=trial_id_of(again))
        self.repeats.append(again)
        self._pool(again)
        self.run.add_repeat(self, again)

    def begin_batch(self, candidates: Sequence[Scheduled]) -> None:
        """These candidates are about to be built and run."""
        self._batch = candidates
        self._recorded.clear()
        self._place.clear()
        self.run.begin_batch(self)

    def numbered(self, numbers: Sequence[int]) -> None:
        """The device gave the batch's candidates these numbers, in their order."""
        self._place = {number: place for place, number in enumerate(numbers)}

    def measured(self, measurement: Measurement) -> None:
        """A candidate of the batch was measured, or failed."""
        place = self._place.get(measurement.number)
        if place is not None and place not in self._recorded:
            self._record(place, measurement)

    def end_batch(self, measurements: Sequence[Measurement | None], stored: Callable[[], None] = lambda: None) -> None:
        """Records what was not reported one by one, and takes the batch to the store.

        Args:
            measurements: What came of each candidate, in their order; None for those that were never run.
            stored: Called once all of it is in the store, at the latest when the run ends.

        Raises:
            StoreError: The store cannot be written.
        """
        for place, measurement in enumerate(measurements):
            if place not in self._recorded and measurement is not None:
                self._record(place, measurement)
        self.run.flush_soon(stored)

    def _record(self, place: int, measurement: Measurement) -> None:
        self._recorded.add(place)
        candidate = self._batch[place]
        trial = trial_from_measurement(
            self.module,
            self.run.target,
            self.run.hardware,
            self.run.source,
            position=self.run.num_trials,
            trace=candidate.trace,
            args_info=candidate.args_info,
            run_secs=measurement.run_secs,
            outcome=measurement.outcome,
            error=measurement.error,
            measured_at=datetime.now(UTC),
            conditions=self.run.conditions,
        )
        self.trials.append(trial)
        if trial.outcome is Outcome.OK:
            self._pool(trial)
        self.run.add(self, trial)


def _order(measured: Measured) -> tuple[float, str]:
    return measured.estimate.secs, measured.trial.trial_id
