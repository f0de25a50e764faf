"""How a program is called, and whether a record can be one of it: by its arguments and its blocks. No TVM.

Both are known before the program's first line is read: they tell a record apart that lies beside another run's
workload file, and not one of a program that looks the same from outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.program.graph import ProgramGraph
from tunedb.program.signature import layout_free, prim_funcs

_SAME_DTYPES = {"uint1": "bool", "boolean": "bool"}  # what some releases call it
_LISTED = 6
_SHOWN = 120
_ROOT = "root"  # a program without a frame is given one
_ARGS_INFO = msgspec.json.Decoder(list[tuple[str, str, list[int]]])
_INSTRUCTIONS = msgspec.json.Decoder(list[tuple[str, list[Any], list[Any], list[Any]]])


class Argument(msgspec.Struct, array_like=True, frozen=True):
    """One argument of a program."""

    dtype: str  # "float32"; "" of one that is no tensor
    shape: tuple[int | None, ...] = ()  # None: symbolic
    is_layout_free: bool = False  # a constant whose layout a schedule may change: it has no fewer elements, some padded


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """What a module says of how it is called: by it, records of another module are told."""

    arguments: tuple[tuple[Argument, ...], ...]  # of each function that may be the one that is called
    blocks: frozenset[str]  # the names of all blocks


def read_entry(graph: ProgramGraph) -> Entry:
    """How a module is called; what of it cannot be read is left open."""
    try:
        functions = prim_funcs(graph)
        called = [function for name, function in functions if name == "main"] or [function for _, function in functions]
        arguments = tuple(_arguments(graph, function) for function in called)
        return Entry(arguments, frozenset(graph.names_of("Block")))
    except BadInputError:
        return Entry((), frozenset())


def misfit(entry: Entry, args_info: bytes, instructions: bytes) -> str:
    """Why a record cannot be one of a module.

    Args:
        entry: how the module is called.
        args_info: the arguments as the record describes them, a JSON array as MetaSchedule writes it.
        instructions: those of the record's trace, a JSON array.

    Returns:
        The reason, with what both say; "" where it can be one, or one of them says nothing.
    """
    told = read_args_info(args_info)
    if told is not None and entry.arguments and not any(_fit(told, taken) for taken in entry.arguments):
        return f"the record's arguments are {described(told)}; the workload's are {described(entry.arguments[0])}"
    missing = sorted(_first_blocks(instructions) - entry.blocks - {_ROOT}) if entry.blocks else []
    if missing:
        known = ", ".join(sorted(entry.blocks))[:_SHOWN]
        return f"the record schedules the block {missing[0]!r}; the workload has {known}"
    return ""


def read_args_info(args_info: bytes) -> tuple[Argument, ...] | None:
    """The arguments that a record describes; None where it describes none, or in a form of its own."""
    try:
        told = _ARGS_INFO.decode(args_info)
    except (ValueError, RecursionError):
        return None
    return tuple(Argument(dtype, tuple(shape)) for _, dtype, shape in told) or None


def described(arguments: Sequence[Argument]) -> str:
    """Arguments for people: "32x32 float32, 32x32 float32"."""
    shown = [
        f"{'x'.join('?' if extent is None else str(extent) for extent in one.shape)} {one.dtype or 'scalar'}".strip()
        for one in arguments[:_LISTED]
    ]
    more = f" and {len(arguments) - _LISTED} more" if len(arguments) > _LISTED else ""
    return ", ".join(shown) + more or "none"


def _first_blocks(instructions: bytes) -> set[str]:
    """The blocks that a trace gets before it changes anything: those must be the module's own."""
    names: set[str] = set()
    try:
        for kind, _, attrs, _ in _INSTRUCTIONS.decode(instructions):
            if kind not in ("GetSBlock", "GetBlock"):
                break
            names.update(attr for attr in attrs[:1] if isinstance(attr, str))
    except (ValueError, RecursionError):
        return set()
    return names


def _fit(told: Sequence[Argument], taken: Sequence[Argument]) -> bool:
    if len(told) != len(taken):  # MetaSchedule describes tensors only
        taken = [one for one in taken if one.dtype]
    return len(told) == len(taken) and all(map(_alike, told, taken))


def _alike(told: Argument, taken: Argument) -> bool:
    if not taken.dtype:
        return True
    if _dtype(told) != _dtype(taken):
        return False
    if taken.is_layout_free:
        sizes = [extent for extent in taken.shape if extent is not None]
        return len(sizes) < len(taken.shape) or math.prod(sizes) <= math.prod(extent or 0 for extent in told.shape)
    return len(told.shape) == len(taken.shape) and all(
        extent in (None, size) for extent, size in zip(taken.shape, told.shape, strict=True)
    )


def _dtype(argument: Argument) -> str:
    return _SAME_DTYPES.get(argument.dtype, argument.dtype)


def _arguments(graph: ProgramGraph, function: int) -> tuple[Argument, ...]:
    pairs = graph.items(graph.ref(function, "buffer_map")) if graph.has(function, "buffer_map") else []
    buffers = dict(zip(pairs[::2], pairs[1::2], strict=False))
    free = layout_free(graph, function)
    found = []
    for place, param in enumerate(graph.items(graph.ref(function, "params"))):
        buffer = buffers.get(param, param)
        described = graph.ref(buffer, "ty") if not graph.has(buffer, "shape") and graph.has(buffer, "ty") else buffer
        if graph.has(described, "shape"):
            shape = tuple(_extent(graph, extent) for extent in graph.items(graph.ref(described, "shape")))
            found.append(Argument(graph.dtype(described), shape, place in free))
        else:
            found.append(Argument(""))
    return tuple(found)


def _extent(graph: ProgramGraph, index: int) -> int | None:
    return graph.integer(index) if graph.kind(index) == "IntImm" else None
