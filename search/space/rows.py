"""A design space for what normalises rows, as softmax and layer norm do: one pass over the rows, in vectors.

MetaSchedule's spaces give each reduction a place of its own: its partial sums are seldom vectors, and rows go through
memory once for each block. Here all that is done to a row is done while it lies in the nearest cache. A reduction sums
in vectors side by side, these in one vector, that in a quarter of it, and only what is left number by number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from costmodels.features.loops import expressions

_LANES = 16  # of the widest vectors, in float32
_QUARTER = 4
_SUMS = (32, 64, 128)  # partial results of a reduction
_WIDTHS = (16, 32, 64)  # elements that are written at once
_LEAST_COLUMNS = 2 * _LANES
_CHEAP = 6  # operations of a block that is computed again for each that reads it
_OPERATIONS = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min", "Select"})
_SPATIAL, _REDUCTION = 0, 2


class _Kind(Enum):
    ELEMENTS = "elements"  # a value of each element of a row
    REDUCTION = "reduction"
    SCALAR = "scalar"  # a value of each row


@dataclass(frozen=True, slots=True)
class _Rows:
    """A program of rows."""

    num_axes: int  # that tell rows apart
    columns: int
    kinds: tuple[tuple[str, _Kind], ...]  # by the block's name, in their order; the last one is the output


def row_space(schedule: Any, num_cores: int) -> list[Any]:
    """The design space of a program that reduces its rows and writes rows of the same extent.

    Args:
        schedule: A schedule of the program with nothing done; it is changed.
        num_cores: How many cores share the rows.

    Returns:
        The schedule, its decisions drawn at random; nothing where the program is another.
    """
    rows = _rows_of(schedule)
    if rows is None:
        return []
    inlined = {name for name, kind in rows.kinds[:-1] if kind is _Kind.ELEMENTS and _is_cheap(schedule, name)}
    for name in inlined:
        schedule.compute_inline(schedule.get_sblock(name))
    kept = [(name, kind) for name, kind in rows.kinds if name not in inlined]
    steps: list[tuple[_Kind, Any]] = []
    for name, kind in kept[:-1]:
        block = schedule.get_sblock(name)
        if kind is _Kind.REDUCTION:
            steps += [(kind, partial) for partial in _partial(schedule, block, rows.columns)]
            steps.append((_Kind.SCALAR, block))
        else:
            steps.append((kind, block))
    output = schedule.get_sblock(kept[-1][0])
    *axes, column = schedule.get_loops(output)
    row = schedule.fuse(*axes) if len(axes) > 1 else axes[0]
    _write(schedule, column, rows.columns)
    for _, block in reversed(steps):
        schedule.compute_at(block, row, preserve_unit_loops=False)
    for kind, block in steps:
        if kind is _Kind.REDUCTION:
            _sum_in_vectors(schedule, block)
        elif kind is _Kind.ELEMENTS:
            _write(schedule, schedule.get_loops(block)[-1], rows.columns)
    if num_cores > 1:
        extent = int(schedule.get(row).extent)
        schedule.annotate(schedule.get_sblock("root"), "meta_schedule.parallel", extent)
    return [schedule]


def _rows_of(schedule: Any) -> _Rows | None:
    blocks = [schedule.get(block) for block in schedule.get_child_blocks(schedule.get_sblock("root"))]
    loops = [[int(schedule.get(loop).extent) for loop in schedule.get_loops(_named(schedule, b))] for b in blocks]
    of_reductions = [
        nest for block, nest in zip(blocks, loops, strict=True) if [int(one.iter_type) for one in block.iter_vars][-1:] == [_REDUCTION]
    ]
    if not of_reductions:
        return None
    nest = of_reductions[0]
    *rows, columns = nest
    if columns < _LEAST_COLUMNS or not rows:
        return None
    kinds = [_kind(block, its, nest) for block, its in zip(blocks, loops, strict=True)]
    if any(kind is None for kind in kinds) or kinds[-1] is not _Kind.ELEMENTS:
        return None
    names = [str(block.name_hint) for block in blocks]
    return _Rows(len(rows), columns, tuple(zip(names, kinds, strict=True)))  # type: ignore[arg-type]


def _named(schedule: Any, block: Any) -> Any:
    return schedule.get_sblock(block.name_hint)


def _kind(block: Any, loops: Sequence[int], nest: Sequence[int]) -> _Kind | None:
    """What a block computes of each row; None where it is no block of such a program."""
    iters = [int(one.iter_type) for one in block.iter_vars]
    if len(iters) != len(loops):
        return None
    rows = [_SPATIAL] * (len(nest) - 1)
    if iters == rows and list(loops) == list(nest[:-1]):
        return _Kind.SCALAR
    if list(loops) != list(nest):
        return None
    last = {_SPATIAL: _Kind.ELEMENTS, _REDUCTION: _Kind.REDUCTION}.get(iters[-1])
    # What is reduced to two results at once cannot be taken apart, and every result must be of one row.
    is_single = len(block.writes) == 1 and iters[:-1] == rows
    return last if is_single else None


def _is_cheap(schedule: Any, name: str) -> bool:
    """Whether a block's value is computed as fast as it is read."""
    value = schedule.get(schedule.get_sblock(name)).body.value
    kinds = [type(node).__name__ for node in expressions(value)]
    return "Call" not in kinds and sum(kind in _OPERATIONS for kind in kinds) <= _CHEAP


def _partial(schedule: Any, block: Any, columns: int) -> list[Any]:
    """The blocks that reduce to partial results, the widest first; what is left to the block is done by number."""
    sums = [number for number in _SUMS if math.ceil(columns / number) > 1]
    widths: list[Any] = []
    if sums:
        widths.append(schedule.sample_categorical(sums, [1.0 / len(sums)] * len(sums)))
    made = []
    for width in [*widths, _LANES, _QUARTER]:
        loop = schedule.get_loops(block)[-1]
        _, lane = schedule.split(loop, [None, width])
        made.append(schedule.rfactor(lane, len(schedule.get(block).writes[0].region)))
    return made


def _sum_in_vectors(schedule: Any, block: Any) -> None:
    """Has a block of partial results take a vector at a time."""
    lane, step = schedule.get_loops(block)[1:]
    schedule.reorder(step, lane)
    schedule.annotate(step, "pragma_loop_partition_hint", 1)
    schedule.vectorize(lane)


def _write(schedule: Any, loop: Any, columns: int) -> None:
    """Has a block write so many elements of a row at once."""
    widths = [width for width in _WIDTHS if width <= columns]
    width = schedule.sample_categorical(widths, [1.0 / len(widths)] * len(widths))
    outer, lane = schedule.split(loop, [None, width])
    schedule.annotate(outer, "pragma_loop_partition_hint", 1)
    schedule.vectorize(lane)
