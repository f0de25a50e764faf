"""This machine's CPU as a device, with worker processes that live as long as it does.

Stock's `LocalBuilder` restarts its workers for each batch, and each of them imports every tensor intrinsic: 10 to 18
CPU seconds a worker and batch. These import what the target needs, once.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tvm.ir import save_json
from tvm.support.tar import tar
from typing_extensions import override

from search.measure import outputs, workers
from search.measure.building import Building, BuildLimit
from search.measure.device import Comparison, Measurement, NoReferenceError, Program, Timing
from search.measure.host_built import Built, HostBuilt
from search.measure.placement import Placement
from search.measure.zygote import ForkedPool
from tunedb.errors import BadInputError, MeasurementError, last_line
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Hardware, Outcome, Target

RUN_TIMEOUT_SECS = 20.0
_BUILD_TIMEOUT_SECS = 15.0
_USES_BEFORE_RESTART = 200  # workers leak some memory with each module
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


class LocalCpu(HostBuilt):
    """Builds and runs in worker processes of this machine.

    Args:
        target: What to build for; a target with n cores is run on so many.
        options: How.
    """

    def __init__(self, target: Target, options: LocalOptions | None = None) -> None:
        super().__init__(target)
        self._options = options or LocalOptions()
        self._plan = self._options.plan or Plan.TOGETHER
        placement = self._options.placement
        told = self._options.build_timeout_secs
        self._build_limit = BuildLimit(told or _BUILD_TIMEOUT_SECS, _SHORTEST_LIMIT_SECS if told is None else None)
        self._builders = self._pool(self._options.build_workers, self._build_limit.most_secs, placement.building)
        self._runner = self._pool(1, self._options.run_timeout_secs, placement.measuring)
        for pool in (self._builders, self._runner):
            pool.submit(workers.ready)  # starts a process now, so that others need not wait for it later
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-build-", ignore_cleanup_errors=True)

    @property
    @override
    def hardware(self) -> Hardware:
        return this_machine()

    @property
    @override
    def is_here(self) -> bool:
        return True

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
        self._expect_open()
        limit = max(self._build_limit.most_secs, _BUILD_TIMEOUT_SECS)
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
        super().close()
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

    @property
    @override
    def _begins_at_once(self) -> bool:
        return self._plan in (Plan.TOGETHER, Plan.PIPELINED)

    @property
    @override
    def _waits_for_builds(self) -> bool:
        return self._plan is Plan.TOGETHER

    @override
    def _begun(self, built: Built) -> Building:
        job = save_json(built.program.mod), self._target_json
        # The reference kernels, and what was built before, are no candidates that may take too long, and programs of
        # other kinds take another time.
        limit = max(self._build_limit.most_secs, _BUILD_TIMEOUT_SECS) if built.is_kept else self._build_limit.secs
        learn = None if built.is_kept else self._build_limit.learn
        is_just_in_time = self._plan is Plan.JUST_IN_TIME and not built.is_kept and not _LIBRARY_CALL.search(job[0])
        if is_just_in_time:
            future = self._runner.submit_before(limit, workers.build_here, *job, built.number)
            return Building(None, future, limit, learn)
        folder = Path(self._folder.name) / str(built.number)
        folder.mkdir()  # of its own: what it is linked to lands beside it
        archive = str(folder / f"candidate.{tar.output_format}")
        return Building(archive, self._builders.submit_before(limit, workers.build, *job, archive), limit, learn)

    def _measure(self, built: Built, timing: Timing, enough_secs: float) -> Measurement:
        is_linked = self._begin(built).is_linked
        artifact: int | str = built.library if is_linked else built.number
        device, args_info = workers.device_type(self._target.kind), built.program.args_info
        job: tuple[Any, ...] = (artifact, device, args_info, timing.repeat, timing.min_repeat_ms, enough_secs)
        how = timing.flush_cache, timing.between, built.program.weights
        limit = self._options.run_timeout_secs
        if built.is_kept:  # the reference kernels, and what ran before: it is no candidate that may take too long
            limit = max(limit, RUN_TIMEOUT_SECS)
        submit = self._runner.submit_before if is_linked else self._runner.submit_next
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
