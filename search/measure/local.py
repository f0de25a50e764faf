"""This machine's CPU as a device, with worker processes that live as long as it does.

Stock's `LocalBuilder` restarts its workers for each batch, and each of them imports every tensor intrinsic: 10 to 18
CPU seconds a worker and batch. These import what the target needs, once.
"""

from __future__ import annotations

import functools
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tvm.ir import save_json
from tvm.support.tar import tar
from typing_extensions import override

from search.measure import outputs, workers
from search.measure.device import Build, Comparison, Device, Measurement, NoReferenceError, Program, Timing
from search.measure.placement import Placement
from search.measure.zygote import ForkedPool
from tunedb.errors import BadInputError, MeasurementError, UsageError, last_line
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Hardware, Outcome, Target

RUN_TIMEOUT_SECS = 20.0
_BUILD_TIMEOUT_SECS = 15.0
_USES_BEFORE_RESTART = 200  # workers leak some memory with each module
_TYPICAL_BUILDS = 8  # of which the usual time is taken
_LONG_BUILD = 25.0  # times the usual: what takes so long is unrolled without end, and no faster than others
_SHORTEST_LIMIT_SECS = 4.0
_PROBE = Timing(repeat=3, min_repeat_ms=5)
_BUSY_SECS = 0.25  # longer than the probe takes
_LEAST_DISTURBANCE = 1.03
# What LLVM calls the C library for, number by number. Code that was linked gets there by one jump more than code that
# was compiled just in time, which ran softmax a tenth faster than a user would.
_LIBRARY_CALL = re.compile(
    r'"tirx?\.(exp|exp2|exp10|log|log2|log10|log1p|pow|sigmoid|erf|hypot|fmod|round|ldexp|nextafter|atan2|a?(sin|cos|tan)h?)"'
)


class Plan(Enum):
    """When the programs of a batch are built and run."""

    TOGETHER = "together"  # all are built, several at once, before the first is run
    PIPELINED = "pipelined"  # one is run on its cores while the next are built on others
    IN_TURN = "in turn"  # each is built when it is to be run: nothing would be built at the same time
    JUST_IN_TIME = "just in time"  # the same, compiled by the process that runs it, unless it calls a library


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How this machine's CPU builds and runs."""

    build_workers: int = 1
    build_timeout_secs: float | None = None  # a longer one is a COMPILE_TIMEOUT; None: 15, less once builds are known
    run_timeout_secs: float = RUN_TIMEOUT_SECS  # a longer measurement is a RUN_TIMEOUT
    timing: Timing = field(default_factory=Timing)
    placement: Placement = field(default_factory=Placement)  # of the worker processes
    plan: Plan | None = None  # None: TOGETHER, until `calibrate` has chosen


PATIENT = LocalOptions(build_timeout_secs=60.0, run_timeout_secs=60.0)
"""For a few programs that must not fail because the machine is slow."""


@dataclass(slots=True, eq=False)
class _Built:
    """A program that was handed over."""

    number: int
    program: Program
    is_kept: bool
    archive: str | None = None  # None: there is none, as it is compiled by the process that runs it
    building: Future[float] | None = None
    build: Build | None = None  # once it is built


class LocalCpu(Device):
    """Builds and runs in worker processes of this machine.

    Args:
        target: What to build for; a target with n cores is run on so many.
        options: How.
    """

    def __init__(self, target: Target, options: LocalOptions | None = None) -> None:
        self._target, self._options = target, options or LocalOptions()
        self._plan = self._options.plan or Plan.TOGETHER
        placement = self._options.placement
        self._build_limit_secs = self._options.build_timeout_secs or _BUILD_TIMEOUT_SECS
        self._builders = self._pool(self._options.build_workers, self._build_limit_secs, placement.building)
        self._runner = self._pool(1, self._options.run_timeout_secs, placement.measuring)
        for pool in (self._builders, self._runner):
            pool.submit(workers.ready)  # starts a process now, so that others need not wait for it later
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-build-", ignore_cleanup_errors=True)
        self._build_secs: list[float] = []
        self._num_programs = 0
        self._known: dict[int, _Built] = {}
        self._is_closed = False

    @property
    @override
    def target(self) -> Target:
        return self._target

    @property
    @override
    def hardware(self) -> Hardware:
        return this_machine()

    @property
    def plan(self) -> Plan:
        """When the programs of a batch are built and run."""
        return self._plan

    @override
    def check(self) -> None:
        intrinsics.register_for(self._target.kind, self._target.keys)
        try:
            self._builders.submit_before(_BUILD_TIMEOUT_SECS, workers.ready).result()
            assert self._target_json
        except BadInputError as error:
            raise MeasurementError(str(error)) from error
        except Exception as error:  # whatever is wrong with this machine is the answer
            raise MeasurementError(f"this machine cannot start a worker process: {last_line(error)}") from error

    @override
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        if self._is_closed:
            raise MeasurementError("the device is closed")
        taken = [self._take(program, keep) for program in programs]
        if keep or self._plan in (Plan.TOGETHER, Plan.PIPELINED):
            for built in taken:
                self._begin(built)
        if keep or self._plan is Plan.TOGETHER:
            return [self._finish(built) for built in taken]
        return [Build(built.number) for built in taken]

    @override
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        for number in numbers:
            built = self._find(number)
            build = self._finish(built)
            if build.outcome is Outcome.OK:
                enough = float("inf") if enough_secs is None else enough_secs()
                measured = self._measure(built, timing or self._options.timing, enough)
            else:
                measured = Measurement(number, (), build.outcome, build.error)
            if not built.is_kept:
                self.release([number])
            yield measured

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        if self._is_closed:
            raise MeasurementError("the device is closed")
        limit = max(self._build_limit_secs, _BUILD_TIMEOUT_SECS)
        both = save_json(program.mod), save_json(untuned.mod)
        device, args_info = workers.device_type(self._target.kind), program.args_info
        try:
            problem = self._runner.submit_before(limit, workers.build_both_here, *both, self._target_json).result()
        except TimeoutError as error:
            raise MeasurementError(f"build took longer than {limit:g} s (--build-timeout gives it more)") from error
        except Exception as error:  # whatever the program does to the compiler
            raise MeasurementError(last_line(error)) from error
        if problem:
            raise NoReferenceError(problem)
        limit = self._options.run_timeout_secs
        try:
            return Comparison(*self._runner.submit_next(limit, outputs.compare, device, args_info, seed).result())
        except TimeoutError as error:
            raise MeasurementError(f"it takes longer than {limit:g} s untuned (--run-timeout gives it more)") from error
        except Exception as error:  # whatever the programs did
            raise MeasurementError(last_line(error)) from error

    @override
    def release(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            built = self._known.pop(number, None)
            if built is None:
                continue
            if built.building is not None:
                built.building.cancel()
            if built.archive is not None:
                shutil.rmtree(Path(built.archive).parent, ignore_errors=True)

    @override
    def calibrate(self, number: int) -> None:
        if self._options.plan is not None:
            return
        cores = self._target.num_cores or 1
        if self._options.placement.is_apart and not self._is_disturbed(number):
            self._plan = Plan.PIPELINED
        elif cores == 1:
            self._plan = Plan.JUST_IN_TIME if self._target.kind == "llvm" else Plan.IN_TURN

    @override
    def close(self) -> None:
        self._is_closed = True
        for built in self._known.values():
            if built.building is not None:
                built.building.cancel()
        self._known.clear()
        for pool in (self._builders, self._runner):
            pool.shutdown(wait=False)
        self._folder.cleanup()

    def _pool(self, max_workers: int, timeout_secs: float, cores: tuple[int, ...]) -> ForkedPool:
        target = self._target
        return ForkedPool(
            max_workers=max_workers,
            timeout=timeout_secs,
            initializer=workers.start_worker,
            initargs=(target.kind, target.keys, target.num_cores or 1, cores),
            maximum_process_uses=_USES_BEFORE_RESTART,
        )

    @functools.cached_property
    def _target_json(self) -> str:
        return str(target_to_tvm(self._target))

    def _take(self, program: Program, keep: bool) -> _Built:
        built = _Built(self._num_programs, program, keep)
        self._num_programs += 1
        self._known[built.number] = built
        return built

    def _find(self, number: int) -> _Built:
        if number not in self._known:
            raise UsageError(f"there is no program {number}: it was never built, was released, or has run")
        return self._known[number]

    def _begin(self, built: _Built) -> None:
        job = save_json(built.program.mod), self._target_json
        is_just_in_time = self._plan is Plan.JUST_IN_TIME and not built.is_kept and not _LIBRARY_CALL.search(job[0])
        if is_just_in_time:
            limit = self._longest_build_secs(built)
            built.building = self._runner.submit_before(limit, workers.build_here, *job, built.number)
        else:
            folder = Path(self._folder.name) / str(built.number)
            folder.mkdir()  # of its own: what it is linked to lands beside it
            built.archive = str(folder / f"candidate.{tar.output_format}")
            limit = self._longest_build_secs(built)
            built.building = self._builders.submit_before(limit, workers.build, *job, built.archive)

    def _longest_build_secs(self, built: _Built) -> float:
        if built.is_kept:  # the reference kernels, and what was built before: it is no candidate that may take too long
            return max(self._build_limit_secs, _BUILD_TIMEOUT_SECS)
        return self._builders.timeout_secs or self._build_limit_secs

    def _finish(self, built: _Built) -> Build:
        """Waits for a build; begins it, if that was put off."""
        if built.build is not None:
            return built.build
        if built.building is None:
            self._begin(built)
        assert built.building is not None
        outcome, error = Outcome.OK, ""
        try:
            secs = built.building.result()
            if not built.is_kept:  # programs of other kinds than candidates take another time
                self._learn_limit(secs)
        except TimeoutError:
            limit = f"{self._longest_build_secs(built):g} s"
            outcome, error = Outcome.COMPILE_TIMEOUT, f"build took longer than {limit} (--build-timeout gives it more)"
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            outcome, error = Outcome.COMPILE_ERROR, last_line(problem)
        built.build = Build(built.number, outcome, error)
        return built.build

    def _learn_limit(self, secs: float) -> None:
        if self._options.build_timeout_secs is not None:
            return  # somebody said how long builds may take
        self._build_secs.append(secs)
        if len(self._build_secs) >= _TYPICAL_BUILDS:
            many_times = _LONG_BUILD * statistics.median(self._build_secs)
            limit = round(max(many_times, _SHORTEST_LIMIT_SECS), 1)
            self._builders.timeout_secs = min(self._build_limit_secs, limit)

    def _measure(self, built: _Built, timing: Timing, enough_secs: float) -> Measurement:
        artifact: int | str = built.number if built.archive is None else built.archive
        device, args_info = workers.device_type(self._target.kind), built.program.args_info
        job: tuple[Any, ...] = (artifact, device, args_info, timing.repeat, timing.min_repeat_ms, enough_secs)
        how = timing.flush_cache, timing.between, built.program.weights
        limit = self._options.run_timeout_secs
        if built.is_kept:  # the reference kernels, and what ran before: it is no candidate that may take too long
            limit = max(limit, RUN_TIMEOUT_SECS)
        submit = self._runner.submit_next if built.archive is None else self._runner.submit_before
        try:
            run_secs = tuple(submit(limit, workers.run, *job, *how).result())
        except TimeoutError:
            error = f"run took longer than {limit:g} s (--run-timeout gives it more)"
            return Measurement(built.number, (), Outcome.RUN_TIMEOUT, error)
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            return Measurement(built.number, (), Outcome.RUN_ERROR, last_line(problem))
        return Measurement(built.number, run_secs)

    def _is_disturbed(self, number: int) -> bool:
        """Whether a program runs slower while a build worker is busy."""
        built = self._find(number)

        def secs() -> float:
            measured = self._measure(built, _PROBE, float("inf"))
            if measured.outcome is not Outcome.OK:
                raise MeasurementError(f"this machine cannot run code for {self._target.text}: {measured.error}")
            return min(measured.run_secs)

        secs()
        alone = secs()
        busy = self._builders.submit_before(_BUILD_TIMEOUT_SECS, workers.spin, _BUSY_SECS)
        beside = secs()
        busy.result()
        return beside > _LEAST_DISTURBANCE * alone
