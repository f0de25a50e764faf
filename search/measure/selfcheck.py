"""Does building and measuring work on this machine? A tiny kernel goes the way that candidates go."""

from __future__ import annotations

import time
from dataclasses import dataclass

from search.measure import workers
from tunedb import tensor_intrinsics
from tunedb.metaschedule import target_to_tvm
from tunedb.records import Target


@dataclass(frozen=True, slots=True)
class MeasuringReport:
    """What the check found; `error` says what failed."""

    ok: bool
    compile_secs: float | None = None
    run_secs: float | None = None  # one run of the kernel
    error: str = ""


def check_measuring(target: Target, timeout_secs: float = 60.0) -> MeasuringReport:
    """Builds and runs a vector addition in worker processes, as a trial is."""
    try:
        tensor_intrinsics.register_for(target.kind, target.keys)
        from tvm import te
        from tvm.ir import IRModule, save_json

        from search.measure.pools import PersistentBuilder, PersistentRunner

        a = te.placeholder((1024,), name="a", dtype="float32")
        b = te.compute((1024,), lambda i: a[i] + 1.0, name="b")
        function = te.create_prim_func([a, b]).with_attr("global_symbol", "main")
        mod = IRModule({"main": function})
        builder = PersistentBuilder(target, max_workers=1, timeout_secs=timeout_secs)
        runner = PersistentRunner(target, timeout_secs=timeout_secs)
        try:
            builder.pool.submit(workers.ready).result()
            started = time.monotonic()
            path = builder.pool.submit(workers.build, (save_json(mod), str(target_to_tvm(target)))).result()
            compile_secs = time.monotonic() - started
            shapes = (("TENSOR", "float32", [1024]),) * 2
            run_secs = runner.pool.submit(workers.run, path, "cpu", shapes, 1, 1).result()
        finally:
            builder.close()
            runner.close()
    except Exception as error:  # whatever is wrong with this machine is the answer
        lines = str(error).strip().splitlines()
        return MeasuringReport(False, error=lines[-1] if lines else type(error).__name__)
    return MeasuringReport(True, compile_secs, run_secs[0])
