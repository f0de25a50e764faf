"""Measures a few chosen schedules next to each other, in passes, so that drift hits all alike.

The figure that a search reports of its best is a minimum over noise and so too good; two searches are compared by
their winners measured again, interleaved.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.measure import workers
from search.measure.local import PersistentBuilder, PersistentRunner
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import schedule, target_to_tvm
from tunedb.records import Module, Target, Trace


@dataclass(frozen=True, slots=True)
class Remeasured:
    """One schedule's run times, one figure a pass."""

    trace: Trace
    run_secs: tuple[float, ...]

    @property
    def median_secs(self) -> float:
        """Median over the passes, in seconds."""
        return statistics.median(self.run_secs)


def measure_side_by_side(module: Module, traces: Sequence[Trace], target: Target, passes: int = 10) -> list[Remeasured]:
    """Builds the schedules once and runs them in turn, `passes` times.

    Raises:
        MeasurementError: one of them cannot be built or run.
    """
    from tvm.s_tir import meta_schedule as ms

    builder = PersistentBuilder(target, max_workers=1, timeout_secs=60.0)
    runner = PersistentRunner(target)
    try:
        artifacts = []
        for trace in traces:
            mod = schedule(module, trace).mod
            args = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
            path = builder.build_one(mod, target_to_tvm(target))
            artifacts.append((path, tuple(info.as_json() for info in args)))
        device = workers.device_type(target.kind)
        run_secs: list[list[float]] = [[] for _ in traces]
        for _ in range(passes):
            for figures, (path, args_info) in zip(run_secs, artifacts, strict=True):
                figures.append(runner.pool.submit(workers.run, path, device, args_info, 1, 20).result()[0])
    except Exception as error:
        raise MeasurementError(f"the winners could not be measured again: {error}") from error
    finally:
        builder.close()
        runner.close()
    return [Remeasured(trace, tuple(figures)) for trace, figures in zip(traces, run_secs, strict=True)]
