"""From modules and recorded traces to the programs that a device builds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from costmodels.features.loops import PACKING
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
    return Program(mod, tuple(info.as_json() for info in args), weights=_weights(mod))


def scheduled_program(mod: Any, trace: Trace) -> Program:
    """The program of a trace, applied to the module that it was found with, as it is measured.

    Args:
        mod: The task's module.
        trace: A trace, postprocessors' part included.

    Raises:
        BadInputError: The trace is none of MetaSchedule's, or does not replay.
    """
    return program_of(replay(mod, validated_trace(trace)).mod)


def comparable_program(mod: Any, trace: Trace) -> Program:
    """The same program, which packs its constants itself: it takes those of the module, as the untuned program does.

    Args:
        mod: The task's module.
        trace: A trace, postprocessors' part included.

    Raises:
        BadInputError: The trace is none of MetaSchedule's, or does not replay.
    """
    schedule = replay(mod, validated_trace(trace))
    packing = [
        block
        for block in schedule.get_child_blocks(schedule.get_sblock("root"))
        if PACKING in schedule.get(block).annotations
    ]
    for block in packing:
        schedule.unannotate(block, PACKING)
    return replace(program_of(schedule.mod), packs=bool(packing))


def _weights(mod: Any) -> tuple[int, ...]:
    """Places of the arguments that are constants of a network, whose layout is free."""
    (function,) = mod.functions.values()
    places = (function.attrs or {}).get("layout_free_buffers", ())
    return tuple(sorted(int(place) for place in places))
