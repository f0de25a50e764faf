"""The CUDA devices of this machine behind the contract of a device: its CPU builds, and each GPU runs what is next.

Nothing here was ever run on a GPU. All but the kernels is tested all the same: processes that crash, hang or are killed
are real, and stand on this machine's CPU in place of GPUs.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from search.measure.cross.architecture import linker_for
from search.measure.cross.building import Builders, Building
from search.measure.cuda import clocks
from search.measure.cuda.gpus import Gpu, gpus_for
from search.measure.cuda.process import Job
from search.measure.cuda.runner import Runner
from search.measure.device import Build, Comparison, Device, Measurement, NoReferenceError, Program, Timing
from tunedb.errors import MeasurementError, UsageError
from tunedb.identity import conditions_of
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Outcome, Target

_LOG = logging.getLogger(__name__)

_FLUSH_BYTES = 1 << 27  # where the size of the L2 cache is not known
_KEPT_SECS = 20.0  # that the reference kernels, and what ran before, may take at least: they are no candidates


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """How CUDA devices build and run."""

    build_workers: int | None = None  # None: one for each core that this process may use
    build_timeout_secs: float | None = None  # None: 30, less once builds are known
    run_timeout_secs: float = 20.0  # a longer measurement is a RUN_TIMEOUT
    timing: Timing = field(default_factory=Timing)


@dataclass(slots=True, eq=False)
class _Built:
    """A program that was handed over."""

    number: int
    program: Program
    is_kept: bool
    building: Building
    build: Build | None = None  # once it is built
    num_lost: int = 0  # GPUs that stopped working while they ran it


class CudaDevices(Device):
    """Builds on this machine's CPU, and runs on its GPUs, each with a process and a watchdog of its own.

    Args:
        target: What to build for.
        options: How.
        gpus: The devices, of one kind; None for all of this machine that run code for the target.

    Raises:
        MeasurementError: This machine has no device for the target.
    """

    def __init__(self, target: Target, options: CudaOptions | None = None, gpus: Sequence[Gpu] | None = None) -> None:
        self._target, self._options = target, options or CudaOptions()
        found = tuple(gpus) if gpus is not None else gpus_for(target)
        self._hardware = found[0].hardware
        self._settings = clocks.settings(found[0].uuid)
        others = [one.uuid for one in found[1:] if clocks.settings(one.uuid) != self._settings]
        if others:
            _LOG.warning("power limit or clocks of %s differ from those of %s", ", ".join(others), found[0].uuid)
        self._builders = Builders(
            target,
            self._options.build_workers or len(os.sched_getaffinity(0)),
            self._options.build_timeout_secs,
            linker_for(target),
        )
        self._runners = [Runner(gpu, target) for gpu in found]
        self._known: dict[int, _Built] = {}
        self._num_programs = 0
        self._lock = threading.Lock()  # guards the list of runners
        self._is_closed = False

    @property
    @override
    def target(self) -> Target:
        return self._target

    @property
    @override
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    @override
    def num_parallel(self) -> int:
        with self._lock:
            return max(1, len(self._runners))

    @override
    def conditions(self, timing: Timing) -> str:
        return conditions_of(caches="flushed" if timing.flush_cache else None, **self._settings)

    @override
    def check(self) -> None:
        self._expect_open()
        intrinsics.register_for(self._target.kind, self._target.keys)
        for runner in self._working():
            if problem := runner.problem():
                self._retire(runner, problem)
        self._expect_runners()

    @override
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        self._expect_open()
        taken = [self._take(program, keep) for program in programs]
        return [self._finish(built) if keep else Build(built.number) for built in taken]

    @override
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        self._expect_open()
        self._expect_runners()
        chosen = (timing or self._options.timing).plain()
        batch = _Batch(deque(self._find(number) for number in numbers), chosen, enough_secs)
        slots = [
            threading.Thread(
                target=self._work, args=(runner, batch), name=f"tunedb-gpu-{runner.gpu.place}", daemon=True
            )
            for runner in self._working()[: len(numbers)]
        ]
        for slot in slots:
            slot.start()
        try:
            for _ in numbers:
                one = batch.found.get()
                if isinstance(one, BaseException):
                    raise one
                built = self._known.get(one.number)
                if built is not None and not built.is_kept:
                    self.release([one.number])
                yield one
        finally:
            batch.stop()
            for slot in slots:
                slot.join()

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        self._expect_open()
        both = [self._take(one, keep=True) for one in (program, untuned)]
        try:
            tuned, right = (self._finish(built) for built in both)
            if tuned.outcome is not Outcome.OK:
                raise MeasurementError(tuned.error)
            if right.outcome is not Outcome.OK:
                raise NoReferenceError(right.error)
            libraries = both[0].building.library, both[1].building.library
            while True:
                self._expect_runners()
                runner, limit = self._working()[0], self._options.run_timeout_secs
                outcome, error, found = runner.compare(libraries, program.args_info, seed, limit)
                if outcome is Outcome.OK:
                    return Comparison(*found)
                problem = runner.problem()
                if not problem:
                    raise MeasurementError(error)
                self._retire(runner, problem)
        finally:
            self.release([built.number for built in both])

    @override
    def release(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            built = self._known.pop(number, None)
            if built is not None:
                built.building.release()

    @override
    def close(self) -> None:
        self._is_closed = True
        for built in self._known.values():
            built.building.release()
        self._known.clear()
        self._builders.close()
        for runner in self._working():
            runner.close()

    def _expect_open(self) -> None:
        if self._is_closed:
            raise MeasurementError("the device is closed")

    def _expect_runners(self) -> None:
        if not self._working():
            raise MeasurementError(f"none of the GPUs ({self._hardware.name}) works any longer; the log says why")

    def _working(self) -> list[Runner]:
        with self._lock:
            return list(self._runners)

    def _retire(self, runner: Runner, problem: str) -> None:
        with self._lock:
            if runner not in self._runners:
                return
            self._runners.remove(runner)
        gpu = runner.gpu
        _LOG.warning("GPU %d (%s %s) is not used any longer: %s", gpu.place, gpu.hardware.name, gpu.uuid, problem)
        runner.close()

    def _take(self, program: Program, keep: bool) -> _Built:
        building = self._builders.begin(program, is_candidate=not keep)
        built = _Built(self._num_programs, program, keep, building)
        self._num_programs += 1
        self._known[built.number] = built
        return built

    def _find(self, number: int) -> _Built:
        if number not in self._known:
            raise UsageError(f"there is no program {number}: it was never built, was released, or has run")
        return self._known[number]

    def _finish(self, built: _Built) -> Build:
        """Waits for a build."""
        if built.build is None:
            built.build = Build(built.number, *built.building.result())
        return built.build

    def _work(self, runner: Runner, batch: _Batch) -> None:
        """Runs programs of a batch on one GPU, until none is left or the GPU does not work any longer."""
        try:
            while (built := batch.next()) is not None:
                build = self._finish(built)
                if build.outcome is not Outcome.OK:
                    batch.found.put(Measurement(built.number, (), build.outcome, build.error))
                elif not self._measured(runner, built, batch):
                    return
        except BaseException as error:  # who iterates raises it
            batch.found.put(error)

    def _measured(self, runner: Runner, built: _Built, batch: _Batch) -> bool:
        """Runs a program and gives its measurement; False where the GPU is lost, which another one makes up for."""
        limit = self._options.run_timeout_secs
        if built.is_kept:
            limit = max(limit, _KEPT_SECS)
        outcome, error, run_secs = runner.measure(self._job(built, batch), limit)
        problem = "" if outcome is Outcome.OK or batch.is_stopped else runner.problem()
        if not problem:
            batch.found.put(Measurement(built.number, run_secs, outcome, error))
            return True
        self._retire(runner, problem)
        built.num_lost += 1
        others = self._working()
        if others and built.num_lost < 2:
            _LOG.warning("GPU %d was lost in mid-trial, which another one runs: %s", runner.gpu.place, error)
            batch.put_back(built)
            self._work(others[0], batch)  # its own thread may have ended by now
        elif others:
            told = f"{built.num_lost} GPUs stopped working while they ran it: {error}"
            batch.found.put(Measurement(built.number, (), Outcome.RUN_ERROR, told))
            self._work(others[0], batch)
        else:
            batch.found.put(
                MeasurementError(f"the last GPU ({self._hardware.name}) does not work any longer: {problem}")
            )
        return False

    def _job(self, built: _Built, batch: _Batch) -> Job:
        timing = batch.timing
        flushed = 2 * self._hardware.l2_bytes if self._hardware.l2_bytes else _FLUSH_BYTES
        return Job(
            built.building.library,
            built.program.args_info,
            timing.repeat,
            timing.min_repeat_ms,
            batch.enough_secs(),
            flushed if timing.flush_cache else 0,
        )


class _Batch:
    """Programs that wait for a GPU, and what came of those that ran."""

    def __init__(self, waiting: deque[_Built], timing: Timing, enough_secs: Callable[[], float] | None) -> None:
        self.timing = timing
        self.enough_secs = enough_secs or (lambda: float("inf"))
        self.found: queue.SimpleQueue[Measurement | BaseException] = queue.SimpleQueue()
        self.is_stopped = False
        self._waiting, self._lock = waiting, threading.Lock()

    def next(self) -> _Built | None:
        """The next program; None where there is none, or no one asks any more."""
        with self._lock:
            return None if self.is_stopped or not self._waiting else self._waiting.popleft()

    def put_back(self, built: _Built) -> None:
        """Lets a program wait again, as the first."""
        with self._lock:
            self._waiting.appendleft(built)

    def stop(self) -> None:
        """Lets no further program begin."""
        self.is_stopped = True
