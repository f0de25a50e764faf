"""Traces as JSON: their form, and their two parts: what all trials of a design space share, and the rest."""

from __future__ import annotations

from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.records import Trace

_POSTPROC = b'["EnterPostproc"'  # a quote inside a JSON string is escaped: this never occurs within one
NO_POSTPROC = b"[]"

# The first element of the instructions of other tuners' schedules.
AUTOTVM = "autotvm"
ANSOR = "auto_scheduler"
KERNEL_TUNER = "kernel_tuner"
_OTHERS = {
    AUTOTVM: "an AutoTVM configuration",
    ANSOR: "an Ansor schedule",
    KERNEL_TUNER: "a Kernel Tuner configuration",
}

_INSTRUCTIONS = msgspec.json.Decoder(list[tuple[str, list[Any], list[Any], list[str]]])
_DECISIONS = msgspec.json.Decoder(list[tuple[int, Any]])


def split_instructions(instructions: bytes) -> tuple[bytes, bytes]:
    """Splits a trace's instructions before `EnterPostproc`, into two JSON arrays."""
    cut = instructions.find(_POSTPROC)
    if cut < 0:
        return instructions, NO_POSTPROC
    head = instructions[:cut].rstrip()
    return head.removesuffix(b",").rstrip() + b"]", b"[" + instructions[cut:]


def join_instructions(shared: bytes, postproc: bytes) -> bytes:
    """The inverse of `split_instructions`."""
    if postproc == NO_POSTPROC:
        return shared
    return shared[:-1] + (b"," if len(shared) > 2 else b"") + postproc[1:]


def compact_instructions(instructions: bytes) -> bytes:
    """Instructions of the form that TVM writes, without white space.

    Raises:
        BadInputError: they have another form.
    """
    try:
        return msgspec.json.encode(_INSTRUCTIONS.decode(instructions))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the trace's instructions are malformed: {error}") from error


def tuner_of(instructions: bytes) -> str:
    """The tuner whose schedule has these instructions: `AUTOTVM`, `ANSOR`, `KERNEL_TUNER`, or "" for MetaSchedule."""
    return next((tuner for tuner in _OTHERS if instructions.startswith(f'["{tuner}"'.encode())), "")


def schedule_of_other_tuner(instructions: bytes) -> str:
    """What a schedule is, for people, when it is not a MetaSchedule trace; else ""."""
    return _OTHERS.get(tuner_of(instructions), "")


def validated_trace(trace: Trace) -> Any:
    """The trace as TVM's JSON: `[instructions, decisions]`, each of the form that TVM writes.

    Raises:
        BadInputError: it is not.
    """
    if other := schedule_of_other_tuner(trace.instructions):
        raise BadInputError(f"{other}, which MetaSchedule cannot replay")
    try:
        instructions = _INSTRUCTIONS.decode(trace.instructions)
        decisions = _DECISIONS.decode(trace.decisions)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the trace is malformed: {error}") from error
    for index, _ in decisions:
        if not 0 <= index < len(instructions):
            raise BadInputError(f"the trace decides instruction {index} of {len(instructions)}")
    return [[list(instruction) for instruction in instructions], [list(decision) for decision in decisions]]
