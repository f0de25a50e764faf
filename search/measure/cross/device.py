"""A CPU of another architecture as a device: programs are built for it here, and run by an emulator if there is one.

It says whether numbers are right. It measures nothing: how long an emulator takes says nothing of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from search.measure import outputs
from search.measure.cross.architecture import architecture_of
from search.measure.cross.emulator import Emulator
from search.measure.cross.libraries import OfLibraries
from search.measure.device import Comparison, Measurement, Program, Timing
from tunedb.errors import MeasurementError, last_line
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Target

RUN_TIMEOUT_SECS = 120.0  # an emulator is some tens of times slower than a machine


class CrossCpu(OfLibraries):
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
        super().__init__(target, compiler, None, build_timeout_secs)
        self._emulator = emulator
        self._run_limit_secs = run_timeout_secs or RUN_TIMEOUT_SECS

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
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        del timing, enough_secs
        for number in numbers:
            self._find(number)
            raise MeasurementError(f"{self.hardware.name}: what runs there cannot be timed here")
        yield from ()

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        """As every device compares; neither program's time is told."""
        if isinstance(self._emulator, str):
            raise MeasurementError(self._emulator)
        return replace(super().compare(program, untuned, seed), secs=math.inf, untuned_secs=math.inf)

    @property
    @override
    def _waits_for_builds(self) -> bool:
        return True

    @override
    def _compared(self, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int) -> Comparison:
        import tvm

        assert isinstance(self._emulator, Emulator)
        functions = [self._function(self._emulator, Path(library)) for library in libraries]
        try:
            return Comparison(*outputs.compare_functions(functions, tvm.cpu(), args_info, seed))
        except TimeoutError as error:
            raise MeasurementError(f"emulated, {error} (--run-timeout gives it more)") from error
        except MeasurementError:
            raise
        except Exception as error:  # whatever the programs did
            raise MeasurementError(last_line(error)) from error

    def _function(self, emulator: Emulator, library: Path) -> Callable[..., None]:
        """A built program as a function of tensors of this machine."""
        threads = self._target.num_cores or 1

        def call(*tensors: Any) -> None:
            arrays = [tensor.numpy() for tensor in tensors]
            ran = emulator.run_program(library, arrays, threads=threads, limit_secs=self._run_limit_secs)
            for tensor, after in zip(tensors, ran.arrays, strict=True):
                tensor.copyfrom(after)

        return call
