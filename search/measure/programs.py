"""From modules and recorded traces to the programs that a device builds."""

from __future__ import annotations

from typing import Any

from search.measure.device import Program
from tunedb.metaschedule.replay import replay
from tunedb.records import Trace
from tunedb.traces import validated_trace


def program_of(mod: Any) -> Program:
    """The program of a module with one function, scheduled or not.

    Args:
        mod: A `tvm.ir.IRModule`.
    """
    from tvm.s_tir import meta_schedule as ms

    args = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
    return Program(mod, tuple(info.as_json() for info in args))


def scheduled_program(mod: Any, trace: Trace) -> Program:
    """The program of a trace of this run, applied to the module that it was found with.

    Args:
        mod: The task's module.
        trace: A trace, postprocessors' part included.

    Raises:
        BadInputError: The trace is none of MetaSchedule's.
    """
    return program_of(replay(mod, validated_trace(trace)).mod)
