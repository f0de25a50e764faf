"""Does a tuned program compute what the untuned one does? Both run on the same random arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from search.measure.device import Comparison, Device, Program
from search.measure.programs import comparable_program, program_of
from tunedb.errors import last_line
from tunedb.records import Trace

TOLERANCE = {"float16": 2e-2, "bfloat16": 5e-2, "float32": 1e-4, "float64": 1e-9}  # sums are taken in another order
_SEED = 0


@dataclass(frozen=True, slots=True)
class NumbersCheck:
    """Whether a schedule computes what the untuned program does."""

    agrees: bool | None  # None when it could not be found out
    deviation: float | None = None  # of an element, relative to the largest magnitude of its tensor
    problem: str = ""  # why it could not be found out
    comparison: Comparison | None = None  # of the two; its times are infinite where the schedule's were not its own
    allowed_deviation: float = 0.0


def check_numbers(mod: Any, trace: Trace, device: Device) -> NumbersCheck:
    """Compares a schedule of this run with the program that it schedules.

    Args:
        mod: The task's module.
        trace: The trace of the schedule.
        device: The device that builds and runs both.

    Returns:
        Whether they agree, or why that could not be found out.
    """
    try:
        scheduled = comparable_program(mod, trace)
        found = device.compare(scheduled, program_of(mod), _SEED)
    except Exception as error:  # a trace may not replay, a program not run: that is the answer
        return NumbersCheck(None, problem=last_line(error))
    allowed = allowed_deviation(scheduled)
    timed = replace(found, secs=math.inf) if scheduled.packs else found  # it packed its constants meanwhile
    return NumbersCheck(found.deviation <= allowed, found.deviation, comparison=timed, allowed_deviation=allowed)


def allowed_deviation(program: Program) -> float:
    """By how much an element may deviate from the untuned program's, relative to the largest of its tensor."""
    return max((TOLERANCE.get(str(dtype), 0.0) for _, dtype, _ in program.args_info), default=0.0)
