"""Two kernels whose speed is the machine's own: one bound by arithmetic, one by memory.

Both run before the first trial, the first again with every batch. They are stored next to the batch's trials, as trials
of two workloads of their own (`tunedb.machine.kernels` knows these by their hashes). What they are for:

- *a check*: a machine without a linker, or one that cannot run the target's instructions, fails every candidate; found
  out before the first trial, it is an error and not a store full of failures that say nothing about the candidates;
- *calibration*: a core's FLOP/s and bytes/s, the best of all their runs on a machine;
- *drift*: a batch with which the first runs slower than before was measured on a slower machine (another clock, a
  neighbour on the core), and its latencies are too long by as much.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from costmodels.features.loop_nest import target_columns
from search.measure import workers
from search.measure.local import PersistentBuilder, PersistentRunner, cause
from tunedb import identity
from tunedb.errors import BadInputError, MeasurementError
from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm, trial_from_measurement, workload_from_module
from tunedb.query.estimates import estimate
from tunedb.records import Hardware, Module, Source, Target, Trial, Workload

_RUNS, _MIN_REPEAT_MS = 3, 5
_SMALLEST_DRIFT = 1.05  # noise alone makes as much of it
_TILE_VECTORS = 2  # of six rows each: twelve registers are summed in, and all x86 CPUs with AVX have sixteen
_BUSY_SECS = 0.25  # longer than the kernel is measured
_LEAST_DISTURBANCE = 1.03


@dataclass(frozen=True, slots=True)
class MeasuringReport:
    """Whether building and measuring work on this machine; `error` says what failed."""

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
    path: str  # of what was built


class Canaries:
    """The kernels, built for a target, and what came of them.

    Args:
        target: what they are built for.
        builder: a `PersistentBuilder`.
        runner: a `PersistentRunner`.

    Raises:
        MeasurementError: this machine cannot build code for the target.
    """

    def __init__(self, target: Target, builder: Any, runner: Any) -> None:
        self._target, self._runner = target, runner
        self._num_measured = 0
        self.arithmetic_secs = float("inf")
        """The shortest run of the arithmetic kernel."""
        self.drift = 1.0
        """How much slower than at its best the machine was, when it ran last; 1 where noise may explain it."""
        self.worst_drift = 1.0
        with _explained(target, "start a worker process"):
            builder.pool.submit(workers.ready).result()
        started = time.monotonic()
        with _explained(target, "build"):
            tvm_target = target_to_tvm(target)
            lanes = max(1, round(2.0 ** target_columns(tvm_target)[0]) // 32)
            self._kernels = [_built(*made, builder, tvm_target) for made in (_arithmetic(lanes), _memory(lanes))]
        self.compile_secs = time.monotonic() - started

    def measure(self, hardware: Hardware, source: Source) -> tuple[list[tuple[Workload, Module]], list[Trial]]:
        """Runs both the first time, and the arithmetic one after that; `drift` says what was found.

        Returns:
            Their programs and their trials of now, for the store.

        Raises:
            MeasurementError: this machine cannot run code for the target.
        """
        kernels = self._kernels if self._num_measured == 0 else self._kernels[:1]
        trials = [self._measured(kernel, hardware, source) for kernel in kernels]
        secs = estimate([trials[0].run_secs]).secs
        self.arithmetic_secs = min(secs, self.arithmetic_secs)
        drift = secs / self.arithmetic_secs
        self.drift = drift if drift > _SMALLEST_DRIFT else 1.0
        self.worst_drift = max(self.worst_drift, self.drift)
        return [(kernel.workload, kernel.module) for kernel in kernels], trials

    def is_disturbed(self, builder: Any) -> bool:
        """Whether what is measured runs slower while a worker of the builder is busy."""
        self._run(self._kernels[0])
        alone = min(self._run(self._kernels[0]))
        busy = builder.pool.submit(workers.spin, _BUSY_SECS)
        beside = min(self._run(self._kernels[0]))
        busy.result()
        return beside > _LEAST_DISTURBANCE * alone

    def _run(self, kernel: _Kernel) -> list[float]:
        device = workers.device_type(self._target.kind)
        job = (kernel.path, device, kernel.args_info, _RUNS, _MIN_REPEAT_MS)
        with _explained(self._target, "run"):
            run_secs: list[float] = self._runner.pool.submit(workers.run, *job).result()
        return run_secs

    def _measured(self, kernel: _Kernel, hardware: Hardware, source: Source) -> Trial:
        run_secs = self._run(kernel)
        self._num_measured += 1
        return trial_from_measurement(
            kernel.module,
            self._target,
            hardware,
            source,
            position=self._num_measured - 1,
            trace=kernel.schedule.trace,
            args_info=kernel.args_info,
            run_secs=run_secs,
            measured_at=datetime.now(UTC),
        )


def check_measuring(target: Target, hardware: Hardware, timeout_secs: float = 60.0) -> MeasuringReport:
    """Builds and runs the kernels in fresh worker processes."""
    intrinsics.register_for(target.kind, target.keys)
    builder = PersistentBuilder(target, max_workers=1, timeout_secs=timeout_secs)
    runner = PersistentRunner(target, timeout_secs=timeout_secs)
    try:
        found = Canaries(target, builder, runner)
        found.measure(hardware, identity.source("check", "tune", {}))
        return MeasuringReport(True, found.compile_secs, found.arithmetic_secs)
    except MeasurementError as error:
        return MeasuringReport(False, error=str(error))
    finally:
        builder.close()
        runner.close()


@contextmanager
def _explained(target: Target, step: str) -> Iterator[None]:
    """Whatever is wrong with this machine is the answer."""
    try:
        yield
    except BadInputError as error:
        raise MeasurementError(str(error)) from error
    except Exception as error:
        raise MeasurementError(f"this machine cannot {step} code for {target.text}: {cause(error)}") from error


def _built(mod: Any, schedule: Any, builder: Any, tvm_target: Any) -> _Kernel:
    from tvm.s_tir import meta_schedule as ms

    args = ms.arg_info.ArgInfo.from_entry_func(schedule.mod, remove_preproc=True)
    path = builder.build_one(schedule.mod, tvm_target)
    return _Kernel(*workload_from_module(mod), schedule, tuple(info.as_json() for info in args), path)


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
