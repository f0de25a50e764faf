"""Which tasks can be measured: what has no fixed shapes cannot be given arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.task import Task
from tunedb.errors import last_line


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A task of which a run measured nothing."""

    name: str
    reason: str  # for people


def measurable(tasks: Sequence[Task]) -> tuple[list[Task], list[LeftOut]]:
    """Parts tasks into those that can be given arguments and those that cannot, with the reason.

    Args:
        tasks: What a run is to measure.
    """
    reasons = [_reason(task.mod) for task in tasks]
    kept = [task for task, reason in zip(tasks, reasons, strict=True) if not reason]
    return kept, [LeftOut(task.name, reason) for task, reason in zip(tasks, reasons, strict=True) if reason]


def told(left_out: Sequence[LeftOut]) -> str:
    """What was left out and why, for people."""
    return "; ".join(f"{one.name}: {one.reason}" for one in left_out)


def _reason(mod: Any) -> str:
    """Why a module's function cannot be given arguments; empty when it can."""
    import tvm

    from search.measure.programs import program_of

    for param in mod["main"].params:
        shape = getattr(param, "shape", None)
        if shape is None:
            return f"its argument {param} is no tensor; make it a constant of the program"
        open_ = [str(extent) for extent in shape if not isinstance(extent, int | tvm.tirx.IntImm)]
        if open_:
            told = ", ".join(map(str, shape))
            return f"its argument {param.name} has the shape ({told}), and {open_[0]} is no number; fix its length"
    try:
        program_of(mod)
    except Exception as error:  # TVM raises its own type for each
        return f"TVM cannot describe its arguments: {last_line(error)}"
    return ""
