"""Two kernels whose speed is the device's own: one bound by arithmetic, one by memory.

Both run before the first trial, the first again with every batch (`search.measure.drift`). They are stored next to the
batch's trials, as trials of two workloads of their own (`tunedb.machine.kernels` knows these by their hashes). They are

- *a check*: a machine without a linker, or one that cannot run the target's instructions, fails every candidate; found
  out before the first trial, it is an error and not a store full of failures that say nothing about the candidates;
- *a calibration*: a core's or a GPU's FLOP/s and bytes/s, the best of all their runs on a machine;
- *a measure of drift*.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from costmodels.features.loop_nest import target_columns
from search.measure.cuda import kernels
from search.measure.device import Device, Timing
from search.measure.programs import program_of
from tunedb import identity
from tunedb.errors import BadInputError, MeasurementError, UnreachableError, last_line
from tunedb.machine.kernels import ALL_ARITHMETIC, ARITHMETIC, MEMORY
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm, trial_from_measurement, workload_from_module
from tunedb.query.estimates import estimate
from tunedb.records import Module, Outcome, Source, Target, Trial, Workload

_TIMING = Timing(repeat=3, min_repeat_ms=5)
_TILE_VECTORS = 2  # of six rows each: twelve registers are summed in, and all x86 CPUs with AVX have sixteen


@dataclass(frozen=True, slots=True)
class MeasuringReport:
    """Whether building and measuring work on a device; `error` says what failed."""

    ok: bool
    compile_secs: float | None = None
    run_secs: float | None = None  # one run of the arithmetic kernel
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Kernel:
    workload: Workload
    module: Module
    schedule: Any  # tvm.s_tir.Schedule
    args_info: tuple[Any, ...]
    number: int  # of its build


class ReferenceKernels:
    """The kernels, built by a device.

    Args:
        device: The device that builds and runs them; they stay with it until it is closed.

    Raises:
        MeasurementError: The device does not work, or cannot build code for its target.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._num_measured = 0
        device.check()
        started = time.monotonic()
        with _explained("this machine", "build", device.target):
            self._kernels = [self._built(*made) for made in _programs(device.target)]
        self.compile_secs = time.monotonic() - started

    @property
    def arithmetic(self) -> int:
        """The number of the arithmetic kernel's build."""
        return self._kernels[0].number

    @property
    def flop(self) -> float:
        """Of one run of the arithmetic kernel."""
        work = {kernel.workload_id: kernel.work for kernel in ALL_ARITHMETIC}
        return work[self._kernels[0].workload.workload_id]

    @property
    def modules(self) -> list[tuple[Workload, Module]]:
        """The workload and module of each, the arithmetic one first."""
        return [(kernel.workload, kernel.module) for kernel in self._kernels]

    def measure(self, source: Source) -> list[Trial]:
        """Runs both the first time, and the arithmetic one after that.

        Args:
            source: The run that measures them.

        Returns:
            Their trials, for the store, the arithmetic kernel's first.

        Raises:
            MeasurementError: The device cannot run code for its target.
        """
        due = self._kernels if self._num_measured == 0 else self._kernels[:1]
        return [self._measured(kernel, source) for kernel in due]

    def _measured(self, kernel: _Kernel, source: Source) -> Trial:
        who = "this machine" if self._device.is_here else self._device.hardware.name
        with _explained(who, "run", self._device.target):
            (measured,) = self._device.run([kernel.number], timing=_TIMING)
            if measured.outcome is not Outcome.OK:
                raise MeasurementError(measured.error)
        self._num_measured += 1
        return trial_from_measurement(
            kernel.module,
            self._device.target,
            self._device.hardware,
            source,
            position=self._num_measured - 1,
            trace=kernel.schedule.trace,
            args_info=kernel.args_info,
            run_secs=measured.run_secs,
            measured_at=datetime.now(UTC),
        )

    def _built(self, mod: Any, schedule: Any) -> _Kernel:
        program = program_of(schedule.mod)
        (build,) = self._device.build([program], keep=True)
        if build.outcome is not Outcome.OK:
            raise MeasurementError(build.error)
        return _Kernel(*workload_from_module(mod), schedule, program.args_info, build.number)


def check_measuring(device: Device) -> MeasuringReport:
    """Builds and runs the kernels on a device.

    Args:
        device: The device to try.

    Returns:
        How long it took, or what failed.
    """
    intrinsics.register_for(device.target.kind, device.target.keys)
    try:
        reference = ReferenceKernels(device)
        arithmetic, *_ = reference.measure(identity.source("check", "tune", {}))
        return MeasuringReport(True, reference.compile_secs, estimate([arithmetic.run_secs]).secs)
    except MeasurementError as error:
        return MeasuringReport(False, error=str(error))


@contextmanager
def _explained(who: str, step: str, target: Target) -> Iterator[None]:
    """Whatever is wrong with a machine is the answer."""
    try:
        yield
    except UnreachableError:
        raise
    except BadInputError as error:
        raise MeasurementError(str(error)) from error
    except Exception as error:
        raise MeasurementError(f"{who} cannot {step} code for {target.text}: {last_line(error)}") from error


def _programs(target: Target) -> list[tuple[Any, Any]]:
    """Module and schedule of each kernel, the arithmetic one first."""
    if target.kind == "cuda":
        return [kernels.arithmetic(), kernels.memory()]
    lanes = max(1, round(2.0 ** target_columns(target_to_tvm(target))[0]) // 32)
    return [_arithmetic(lanes), _memory(lanes)]


def _arithmetic(lanes: int) -> tuple[Any, Any]:
    """Products, summed in vector registers; what it reads stays in the innermost cache."""
    from tvm import te

    repeats, rows, columns, depth = ARITHMETIC.extents
    a = te.placeholder((depth, rows), name="a", dtype="float32")
    b = te.placeholder((depth, columns), name="b", dtype="float32")
    k = te.reduce_axis((0, depth), name="k")
    c = te.compute((repeats, rows, columns), lambda r, i, j: te.sum(a[k, i] * b[k, j], axis=k), name="c")
    mod, schedule = _program([a, b, c])
    block = schedule.get_sblock("c")
    registers = schedule.cache_write(block, 0, "local")
    repeat, row, column, reduction = schedule.get_loops(block)
    tile, vectors, lane = schedule.split(column, [None, _TILE_VECTORS, lanes])
    schedule.reorder(repeat, tile, reduction, row, vectors, lane)
    schedule.reverse_compute_at(registers, tile)
    for loop in (row, vectors):
        schedule.unroll(loop)
    schedule.vectorize(lane)
    schedule.decompose_reduction(block, reduction)
    return mod, schedule


def _memory(lanes: int) -> tuple[Any, Any]:
    """Each element is read, changed and written."""
    from tvm import te

    (elements,) = MEMORY.extents
    a = te.placeholder((elements,), name="a", dtype="float32")
    mod, schedule = _program([a, te.compute((elements,), lambda i: a[i] + 1.0, name="b")])
    _, lane = schedule.split(schedule.get_loops(schedule.get_sblock("b"))[0], [None, lanes])
    schedule.vectorize(lane)
    return mod, schedule


def _program(arguments: list[Any]) -> tuple[Any, Any]:
    from tvm import s_tir, te
    from tvm.ir import IRModule

    mod = IRModule({"main": te.create_prim_func(arguments).with_attr("global_symbol", "main")})
    return mod, s_tir.Schedule(mod)
