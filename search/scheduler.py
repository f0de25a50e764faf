"""Shares a run's trials among the tasks of a network: each batch goes where it is expected to save the most time.

What a task is worth is its weight times the time that its next batch may save. Before anything of it is measured that
is guessed from its arithmetic and its memory; afterwards the tuner's posterior says it (expected improvement). So a
small budget goes to heavy tasks, and a task is left alone once nothing is left to find. MetaSchedule's own gradient
scheduler gives a whole batch to each task in turn before it looks at what any of them is worth.
"""

from __future__ import annotations

import logging
import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.bo.relatives import Relatives
from search.claims import Claims, Elsewhere
from search.contexts import contexts
from search.contract import Proposal, Result, Tuner, TunerFactory, TunerTask, result_of
from search.measure.device import Device, Measurement, Timing
from search.measure.drift import Drift
from search.measure.programs import program_of
from search.metaschedule import TaskSearch
from search.options import WITHOUT_END
from search.recorder import Recorder, Scheduled, TaskRecorder
from search.space.spaces import DesignSpaces
from search.standing import FADING_GAIN, Clock, Standing, TaskStanding, heaviest_first
from search.task import Task
from search.work import Work, guessed_shares, work_of
from tunedb.errors import MeasurementError, UnreachableError, last_line
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Outcome, Workload

_log = logging.getLogger(__name__)

_FIRST, _LATER = 2, 4  # candidates of a batch
_EACH = 2  # candidates of a batch for each machine, where several measure at once
_BLIND_GAIN = 0.5  # nats: what the first measurements of a task may save
_LEAST_SHARE = 0.005  # of the network's time, below which a task may never be looked at
_HOPELESS_BATCHES = 3  # of which every candidate failed


@dataclass(slots=True, eq=False)
class _Open:
    """A task that trials may go to."""

    task: Task
    workload: Workload
    recorder: TaskRecorder
    search: TaskSearch
    context: Any
    work: Work
    share: float  # of the network's time, as it was guessed
    seed: int
    tuner: Tuner | None = None
    batches: int = 0
    fruitless: int = 0  # batches in a row that found nothing faster: what is expected of the next is less than it seems
    first_secs: float | None = None  # of the schedule that was predicted, which is the first that is measured
    is_exhausted: bool = False
    elsewhere: Elsewhere = field(default_factory=Elsewhere)  # what other runs on the store measure
    expected: dict[float, float | None] = field(default_factory=dict)  # gains by best latency, since its last batch

    @property
    def best_secs(self) -> float | None:
        """Of the best schedule of this run and those before; None where there is none."""
        found = [one.secs for one in (self.recorder.before,) if one is not None]
        if self.recorder.best is not None:
            found.append(self.recorder.best.estimate.secs)
        return min(found, default=None)

    @property
    def pinned_left(self) -> int:
        """How many of the trials that somebody asked for it have not been made."""
        return 0 if self.is_exhausted else max((self.task.trials or 0) - len(self.recorder.trials), 0)

    def gain(self, flop_per_sec: float) -> float:
        """The share of the task's time that its next batch may save.

        Args:
            flop_per_sec: What the device does at best: no schedule saves more than what lies above that.
        """
        best = self.best_secs
        if best is None:
            return -math.expm1(-_BLIND_GAIN) / (1 + self.batches)
        gain = self._expected_gain(best)
        if gain is None:
            gain = FADING_GAIN / max(self.batches + self.recorder.num_known / _LATER, 1.0)
        if flop_per_sec and self.work.flop:
            gain = min(gain, max(math.log(best * flop_per_sec / self.work.flop), 0.0))
        return -math.expm1(-gain) / (1 + self.fruitless)

    def _expected_gain(self, best_secs: float) -> float | None:
        """What its tuner expects; asked once a batch of its own, and not after each batch of hundreds of others."""
        if self.tuner is None:
            return None
        if best_secs not in self.expected:
            self.expected[best_secs] = self.tuner.expected_gain(best_secs)
        return self.expected[best_secs]


@dataclass(frozen=True, slots=True)
class Shared:
    """What surrounds the tasks of a run."""

    device: Device
    recorder: Recorder
    drift: Drift
    stop: threading.Event
    timing: Timing | None = None
    least_gain: float = 0.0  # share of the network's time; a run whose next batches save less ends
    on_batch: Callable[[Standing], None] | None = None  # told how the network stands after each
    claims: Claims | None = None  # where other runs may measure the same

    @property
    def flop_per_sec(self) -> float:
        """What the device does at best."""
        return (self.device.target.num_cores or 1) * self.drift.flop_per_sec


@dataclass(frozen=True, slots=True)
class Searched:
    """The tasks of a network, once its trials are spent."""

    searches: list[TaskSearch]  # in the tasks' order, those included that no trial went to
    standing: Callable[[], Standing]  # as it is now: schedules may have been measured again


def share_trials(tasks: Sequence[Task], factory: TunerFactory, trials: int, shared: Shared, seed: int = 0) -> Searched:
    """Measures candidates of tasks until the trials are spent, or nothing is left to gain.

    Args:
        tasks: The tasks, whose weights are how often the network calls them.
        factory: Makes the tuner of each.
        trials: How many candidates are measured.
        shared: What builds, runs and records, and ends the run.
        seed: The seed of all randomness.

    Returns:
        What became of the tasks.
    """
    made = contexts(tasks, shared.device.target, seed=seed)
    shares = guessed_shares(tasks)
    open_ = [_opened(*one, shared.recorder, seed) for one in zip(tasks, made, shares, strict=True)]
    relatives, clock = Relatives(), Clock()
    left = trials
    try:
        while left > 0 and not shared.stop.is_set():
            chosen = _pinned(open_) or _worthiest(open_, shared.least_gain, shared.flop_per_sec)
            if chosen is None:
                break
            wanted = _LATER if chosen.batches else _FIRST
            if shared.device.num_parallel > 1:
                wanted = max(wanted, _EACH * shared.device.num_parallel)
            size = min(left, chosen.pinned_left or left, wanted)
            left -= _batch(chosen, factory, size, trials, shared, relatives, clock)
            if shared.on_batch is not None:
                shared.on_batch(_standing(open_, shared, clock, left))
    finally:
        for one in open_:
            if one.tuner is not None:
                one.tuner.close()
        shared.recorder.flush()
    return Searched([one.search for one in open_], lambda: _standing(open_, shared, clock, 0))


def _opened(task: Task, context: Any, share: float, recorder: Recorder, seed: int) -> _Open:
    workload, module = workload_from_module(task.mod)
    mine = recorder.begin_task(workload, module, task.name)
    return _Open(task, workload, mine, TaskSearch(task.name, mine), context, work_of(task), share, seed)


def _pinned(open_: Sequence[_Open]) -> _Open | None:
    """The first task that has fewer trials than were asked for it."""
    return next((one for one in open_ if one.pinned_left), None)


def _secs(open_: Sequence[_Open]) -> dict[int, float]:
    """What one call of each task takes, by its id: guesses are on the scale of what was measured."""
    scale = statistics.median(
        [one.best_secs / one.work.guess_secs for one in open_ if one.best_secs is not None and one.work.guess_secs]
        or [1.0]
    )
    return {id(one): one.best_secs or scale * one.work.guess_secs for one in open_}


def _standing(open_: Sequence[_Open], shared: Shared, clock: Clock, left: int) -> Standing:
    """How the network stands."""
    secs, peak, recorder = _secs(open_), shared.flop_per_sec, shared.recorder
    whole = sum(one.task.weight * secs[id(one)] for one in open_)
    tasks = []
    unopened = 0
    for one in open_:
        mine = secs[id(one)]
        speed = one.work.flop / mine if one.best_secs is not None and one.work.flop else None
        tasks.append(
            TaskStanding(
                name=one.task.name,
                workload=one.workload.name,
                weight=one.task.weight,
                trials=len(one.recorder.trials),
                secs=mine,
                is_measured=one.best_secs is not None,
                before_secs=one.first_secs if one.recorder.before is None else one.recorder.before.secs,
                gain=0.0 if one.is_exhausted else one.gain(peak),
                flop_per_sec=speed,
                roof_share=speed / peak if speed and peak else None,
            )
        )
        unopened += not one.batches and not one.is_exhausted and one.task.weight * mine > _LEAST_SHARE * whole
    rest = clock.left(left, unopened, _FIRST, _LATER) if recorder.total < WITHOUT_END else None
    if recorder.limit_secs is not None:
        until_limit = max(recorder.limit_secs - recorder.elapsed_secs, 0.0)
        rest = until_limit if rest is None else min(rest, until_limit)
    return Standing(heaviest_first(tasks), recorder.num_trials, recorder.total, recorder.elapsed_secs, rest)


def _worthiest(open_: Sequence[_Open], least_gain: float, flop_per_sec: float) -> _Open | None:
    """The task whose next batch is expected to save the network the most; None when that is too little."""
    secs = {id(one): one.task.weight * its for one, its in zip(open_, _secs(open_).values(), strict=True)}
    left = [one for one in open_ if not one.is_exhausted and one.task.trials is None]
    # Of a task that was never measured, all may be saved.
    gains = {id(one): one.gain(flop_per_sec) for one in left}
    most = sum(secs[id(one)] * (gains[id(one)] if one.best_secs is not None else 1.0) for one in left)
    if not left or most <= least_gain * sum(secs.values()):
        return None
    return max(left, key=lambda one: secs[id(one)] * gains[id(one)])


def _batch(
    one: _Open,
    factory: TunerFactory,
    size: int,
    trials: int,
    shared: Shared,
    relatives: Relatives,
    clock: Clock,
) -> int:
    """Measures a batch of a task; gives how many candidates that were."""
    one.expected.clear()
    started = time.perf_counter()
    proposals: list[Proposal] = []
    try:
        if one.tuner is None:
            one.tuner = factory(_tuner_task(one, trials, shared.recorder, relatives))
        if shared.claims is None:
            proposals = one.tuner.ask(size)
        else:
            proposals = shared.claims.ask(one.tuner, one.workload.workload_id, size, one.elsewhere)
    except Exception as error:  # of TVM, about a program that has no design space
        if one.tuner is not None or isinstance(error, MeasurementError):
            raise
        one.search.nothing = f"it has no schedule to try: {last_line(error)}"
        _log.info("%s: %s", one.task.name, one.search.nothing)
    spent = time.perf_counter() - started
    one.search.own_secs += spent
    clock.asked(spent, is_first=not one.batches)
    if one.tuner is not None:
        one.search.funnel = one.tuner.funnel
    if not proposals or one.tuner is None:
        one.is_exhausted = True
        if not one.batches and not one.search.nothing:
            one.search.nothing = "no schedule that could be tried is valid for this target"
        return 0
    one.batches += 1
    before = one.best_secs
    started = time.perf_counter()
    results = _measured(one, proposals, shared)
    clock.measured(time.perf_counter() - started, len(proposals))
    if one.first_secs is None:
        one.first_secs = next((result.run_secs for result in results if result.is_good), None)
    one.tuner.tell(results)
    one.expected.clear()
    one.fruitless = 0 if before is None or (one.best_secs or before) < before else one.fruitless + 1
    one.search.trust = one.tuner.trust
    if one.best_secs is None and one.batches >= _HOPELESS_BATCHES:
        one.is_exhausted = True
    relatives.add(one.workload, [found.trial.trace for found in one.recorder.schedules()])
    return len(proposals)


def _tuner_task(one: _Open, trials: int, recorder: Recorder, relatives: Relatives) -> TunerTask:
    near = relatives.near(one.workload)

    def spaces(rng: Any) -> DesignSpaces:
        return DesignSpaces(one.context, one.context.generate_design_space(), rng)

    return TunerTask(
        workload=one.workload,
        make_spaces=spaces,
        trials=trials,
        batch_size=2 * _LATER,  # of which the first sixteen proposals are asked for half at a time
        seed=one.seed,
        carried=near.traces,
        nearest=near.nearest,
        share=one.share,
        share_left=lambda: recorder.share_left,
    )


def _measured(one: _Open, proposals: Sequence[Proposal], shared: Shared) -> list[Result]:
    """Builds and runs proposals, and records what came of them."""
    device, recorder = shared.device, shared.recorder
    programs = [program_of(proposal.candidate.schedule.mod) for proposal in proposals]
    one.recorder.begin_batch(
        [
            Scheduled(proposal.candidate.schedule.trace, program.args_info)
            for proposal, program in zip(proposals, programs, strict=True)
        ]
    )
    builds = device.build(programs)
    numbers = [build.number for build in builds]
    recorder.numbered(numbers)
    found: dict[int, Measurement] = {}
    for build in builds:
        if build.outcome is not Outcome.OK:
            found[build.number] = Measurement(build.number, (), build.outcome, build.error)
            recorder.measured(found[build.number])
    try:
        recorder.attach(shared.drift.measure(), shared.drift.modules)
    except UnreachableError:
        raise
    except MeasurementError as error:  # the batch will tell
        _log.info("%s", error)
    drift = shared.drift.now
    try:
        running = device.run(
            [number for number in numbers if number not in found],
            timing=shared.timing,
            enough_secs=lambda: recorder.enough_secs(drift),
        )
        for measured in running:
            found[measured.number] = measured
            recorder.measured(measured)
            if shared.stop.is_set():
                break
    finally:
        device.release(numbers)
        stored = (lambda: None) if shared.claims is None else shared.claims.settled()
        one.recorder.end_batch([found.get(number) for number in numbers], stored)
    return [
        result_of(proposal.number, found[number], drift)
        for proposal, number in zip(proposals, numbers, strict=True)
        if number in found
    ]
