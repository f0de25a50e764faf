"""Does a tuned program compute what the untuned one does? Both run on the same random arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.measure import workers
from search.measure.local import cause
from tunedb.metaschedule.replay import replay, target_to_tvm
from tunedb.records import Target, Trace
from tunedb.traces import validated_trace

TOLERANCE = {"float16": 2e-2, "bfloat16": 5e-2, "float32": 1e-3, "float64": 1e-9}  # sums are taken in another order
_SEED = 0


@dataclass(frozen=True, slots=True)
class NumbersCheck:
    """What came of it."""

    agrees: bool | None  # None when it could not be found out
    deviation: float | None = None  # of an element, relative to the largest magnitude of its tensor
    problem: str = ""  # why it could not be found out


def check_numbers(mod: Any, trace: Trace, target: Target, builder: Any, runner: Any) -> NumbersCheck:
    """Compares a schedule of this run with the program that it schedules.

    Args:
        mod: the task's module.
        trace: of the schedule.
        target: what both are built for.
        builder: a `PersistentBuilder`.
        runner: a `PersistentRunner`.
    """
    from tvm.s_tir import meta_schedule as ms

    try:
        scheduled = replay(mod, validated_trace(trace)).mod
        args = tuple(info.as_json() for info in ms.arg_info.ArgInfo.from_entry_func(scheduled, remove_preproc=True))
        paths = [builder.build_one(one, target_to_tvm(target)) for one in (scheduled, mod)]
        device = workers.device_type(target.kind)
        deviation = float(runner.pool.submit(workers.deviation, *paths, device, args, _SEED).result())
    except Exception as error:  # an untuned program may take longer than anybody waits
        return NumbersCheck(None, problem=cause(error) if str(error) else "it takes too long untuned")
    allowed = max((TOLERANCE.get(str(dtype), 0.0) for _, dtype, _ in args), default=0.0)
    return NumbersCheck(deviation <= allowed, deviation)
