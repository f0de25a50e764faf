"""Does building and measuring work on this machine? A tiny kernel goes the way that candidates go.

A machine without a linker, or one that cannot run the target's instructions, fails every candidate; found out before
the first trial, it is an error and not a store full of failures that say nothing about the candidates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from search.measure import workers
from tunedb import tensor_intrinsics
from tunedb.errors import BadInputError, MeasurementError
from tunedb.metaschedule import target_to_tvm
from tunedb.records import Target

_NUM_ELEMENTS = 1024


@dataclass(frozen=True, slots=True)
class MeasuringReport:
    """What the check found; `error` says what failed."""

    ok: bool
    compile_secs: float | None = None
    run_secs: float | None = None  # one run of the kernel
    error: str = ""


def check_measuring(target: Target, timeout_secs: float = 60.0) -> MeasuringReport:
    """Builds and runs a vector addition in fresh worker processes."""
    tensor_intrinsics.register_for(target.kind, target.keys)
    from search.measure.pools import PersistentBuilder, PersistentRunner

    builder = PersistentBuilder(target, max_workers=1, timeout_secs=timeout_secs)
    runner = PersistentRunner(target, timeout_secs=timeout_secs)
    try:
        return MeasuringReport(True, *measure_small_kernel(target, builder, runner))
    except MeasurementError as error:
        return MeasuringReport(False, error=str(error))
    finally:
        builder.close()
        runner.close()


def measure_small_kernel(target: Target, builder: Any, runner: Any) -> tuple[float, float]:
    """Builds and runs a vector addition in the workers of a `PersistentBuilder` and a `PersistentRunner`.

    Returns:
        Seconds to compile it, and seconds of one run.

    Raises:
        MeasurementError: it cannot be built or run; the text says which and why.
    """
    from tvm import te
    from tvm.ir import IRModule

    from search.measure.pools import cause

    a = te.placeholder((_NUM_ELEMENTS,), name="a", dtype="float32")
    b = te.compute((_NUM_ELEMENTS,), lambda i: a[i] + 1.0, name="b")
    mod = IRModule({"main": te.create_prim_func([a, b]).with_attr("global_symbol", "main")})
    step = "start a worker process"
    try:
        builder.pool.submit(workers.ready).result()
        step = "build"
        started = time.monotonic()
        path = builder.build_one(mod, target_to_tvm(target))
        compile_secs = time.monotonic() - started
        step = "run"
        args_info = (("TENSOR", "float32", [_NUM_ELEMENTS]),) * 2
        run_secs = runner.pool.submit(workers.run, path, workers.device_type(target.kind), args_info, 1, 1).result()
    except BadInputError as error:
        raise MeasurementError(str(error)) from error
    except Exception as error:  # whatever is wrong with this machine is the answer
        raise MeasurementError(f"this machine cannot {step} code for {target.text}: {cause(error)}") from error
    return compile_secs, float(run_secs[0])
