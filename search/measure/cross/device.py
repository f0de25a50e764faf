"""A CPU of another architecture as a device: programs are built for it here, and run by an emulator if there is one.

It says whether numbers are right. It measures nothing: how long an emulator takes says nothing of the machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from search.measure import outputs
from search.measure.cross.architecture import architecture_of
from search.measure.cross.building import Builders, Building
from search.measure.cross.emulator import Emulator
from search.measure.device import Build, Comparison, Device, Measurement, NoReferenceError, Program, Timing
from tunedb.errors import MeasurementError, UsageError, last_line
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Outcome, Target

RUN_TIMEOUT_SECS = 120.0  # an emulator is some tens of times slower than a machine


class CrossCpu(Device):
    """Builds for a CPU of another architecture.

    Args:
        target: What to build for.
        compiler: The C++ compiler that links for it.
        emulator: What runs its code here, or why nothing does; the caller closes it.
        build_timeout_secs: The longest build of one program; None is the builders' own limit.
        run_timeout_secs: The longest run of one program; None is the usual limit.
    """

    def __init__(
        self,
        target: Target,
        compiler: str,
        emulator: Emulator | str,
        *,
        build_timeout_secs: float | None = None,
        run_timeout_secs: float | None = None,
    ) -> None:
        self._target, self._emulator = target, emulator
        self._run_limit_secs = run_timeout_secs or RUN_TIMEOUT_SECS
        self._builders = Builders(target, len(os.sched_getaffinity(0)), build_timeout_secs, compiler)
        self._known: dict[int, Building] = {}
        self._num_programs = 0
        self._is_closed = False

    @property
    @override
    def target(self) -> Target:
        return self._target

    @property
    @override
    def hardware(self) -> Hardware:
        runs = self._emulator.name if isinstance(self._emulator, Emulator) else "nothing"
        return hardware_named(f"{architecture_of(self._target)}, emulated by {runs}")

    @property
    @override
    def cannot_run(self) -> str:
        return self._emulator if isinstance(self._emulator, str) else ""

    @property
    @override
    def emulator(self) -> str:
        return self._emulator.name if isinstance(self._emulator, Emulator) else ""

    @override
    def check(self) -> None:
        intrinsics.register_for(self._target.kind, self._target.keys)

    @override
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        begun = [self._begin(program, is_candidate=not keep) for program in programs]
        builds = []
        for building in begun:
            number = self._num_programs
            self._num_programs += 1
            self._known[number] = building
            builds.append(Build(number, *building.result()))
        return builds

    @override
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        del timing, enough_secs
        for number in numbers:
            if number not in self._known:
                raise UsageError(f"there is no program {number}: it was never built, or was released")
            raise MeasurementError(f"{self.hardware.name}: what runs there cannot be timed here")
        yield from ()

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        """As every device compares; neither program's time is told."""
        import tvm

        if isinstance(self._emulator, str):
            raise MeasurementError(self._emulator)
        both = [self._begin(one, is_candidate=False) for one in (program, untuned)]
        try:
            for building, problem in zip(both, (MeasurementError, NoReferenceError), strict=True):
                outcome, error = building.result()
                if outcome is not Outcome.OK:
                    raise problem(error)
            functions = [self._function(self._emulator, building) for building in both]
            found = Comparison(*outputs.compare_functions(functions, tvm.cpu(), program.args_info, seed))
        except TimeoutError as error:
            raise MeasurementError(f"emulated, {error} (--run-timeout gives it more)") from error
        except MeasurementError:
            raise
        except Exception as error:  # whatever the programs did
            raise MeasurementError(last_line(error)) from error
        finally:
            for building in both:
                building.release()
        return replace(found, secs=math.inf, untuned_secs=math.inf)

    @override
    def release(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            building = self._known.pop(number, None)
            if building is not None:
                building.release()

    @override
    def close(self) -> None:
        self._is_closed = True
        self._known.clear()
        self._builders.close()

    def _begin(self, program: Program, *, is_candidate: bool) -> Building:
        if self._is_closed:
            raise MeasurementError("the device is closed")
        return self._builders.begin(program, is_candidate=is_candidate)

    def _function(self, emulator: Emulator, building: Building) -> Callable[..., None]:
        """A built program as a function of tensors of this machine."""
        path, threads = Path(building.library), self._target.num_cores or 1

        def call(*tensors: Any) -> None:
            arrays = [tensor.numpy() for tensor in tensors]
            ran = emulator.run_program(path, arrays, threads=threads, limit_secs=self._run_limit_secs)
            for tensor, after in zip(tensors, ran.arrays, strict=True):
                tensor.copyfrom(after)

        return call
