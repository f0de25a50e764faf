"""A design space for what normalises rows, as softmax and layer norm do: one pass over the rows, in vectors.

MetaSchedule's spaces give each reduction a place of its own. Here all that is done to a row is done while it lies in
the nearest cache. A reduction sums in vectors side by side, these in one vector, that in a quarter of it, and only what
is left number by number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tvm.s_tir.schedule import ScheduleError

from costmodels.features.loops import expressions

_LANES = 16  # of the widest vectors, in float32
_QUARTER = 4
_SUMS = (1, 2, 4, 8)  # vectors that a reduction sums in
_WIDTHS = (16, 32, 64)  # elements that are written at once
_LEAST_COLUMNS = 2 * _LANES
_CHEAP = 6  # operations of a value that is computed again for each that reads it
_OPERATIONS = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min", "Select"})
_SPATIAL, _REDUCTION = 0, 2


class _Kind(Enum):
    ELEMENTS = "elements"  # a value of each element of a row
    REDUCTION = "reduction"
    SCALAR = "scalar"  # a value of each row


@dataclass(frozen=True, slots=True)
class _Step:
    """One block of such a program."""

    block: Any
    kind: _Kind


def row_space(schedule: Any, num_cores: int) -> list[Any]:
    """The design space of a program that reduces its rows and writes rows of the same extent.

    Args:
        schedule: A schedule of the program with nothing done; it is changed.
        num_cores: How many cores share the rows.

    Returns:
        The schedule, its decisions drawn at random; nothing where the program is another.
    """
    _inline(schedule)
    nest = _nest_of(schedule)
    if nest is None:
        return []
    *rows, columns = nest
    steps = _steps_of(schedule, nest)
    if not steps or steps[-1].kind is not _Kind.ELEMENTS:
        return []
    blocks = []
    for step in steps:
        if step.kind is _Kind.REDUCTION:
            blocks += _partial(schedule, step.block, columns)
        elif step.kind is _Kind.ELEMENTS:
            _write(schedule, step.block, columns)
        blocks.append(step.block)
    each = [schedule.get_loops(block)[: len(rows)] for block in blocks]
    schedule.merge(*[schedule.fuse(*loops) if len(loops) > 1 else loops[0] for loops in each])
    if num_cores > 1:
        schedule.annotate(schedule.get_sblock("root"), "meta_schedule.parallel", math.prod(rows))
    return [schedule]


def _inline(schedule: Any) -> None:
    """Has cheap values computed where they are read."""
    for block in schedule.get_child_blocks(schedule.get_sblock("root"))[:-1]:
        its = schedule.get(block)
        if _iters(its).count(_SPATIAL) == len(its.iter_vars) and _is_cheap(its):
            try:
                schedule.compute_inline(block)
            except ScheduleError:  # not a value of one element each
                continue


def _is_cheap(block: Any) -> bool:
    """Whether a block's value is computed as fast as it is read."""
    kinds = [type(node).__name__ for node in expressions(block.body)]
    return "Call" not in kinds and sum(kind in _OPERATIONS for kind in kinds) <= _CHEAP


def _nest_of(schedule: Any) -> list[int] | None:
    """The extents of the loops that all blocks share: of the first reduction, if it is one of rows."""
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        if _REDUCTION in (iters := _iters(schedule.get(block))):
            extents = _extents(schedule, block)
            is_of_rows = iters == [_SPATIAL] * (len(extents) - 1) + [_REDUCTION]
            return extents if is_of_rows and len(extents) > 1 and extents[-1] >= _LEAST_COLUMNS else None
    return None


def _steps_of(schedule: Any, nest: list[int]) -> list[_Step]:
    """The program's blocks in their order; none where one of them is no block of such a program."""
    steps = []
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        its, extents = schedule.get(block), _extents(schedule, block)
        *of_rows, last = _iters(its) if len(extents) == len(nest) else [*_iters(its), None]
        is_regular = len(its.writes) == 1 and of_rows == [_SPATIAL] * (len(nest) - 1)
        if not is_regular or extents != nest[: len(extents)]:
            return []
        kinds = {_SPATIAL: _Kind.ELEMENTS, _REDUCTION: _Kind.REDUCTION, None: _Kind.SCALAR}
        if last not in kinds:
            return []
        steps.append(_Step(block, kinds[last]))
    return steps


def _iters(block: Any) -> list[int]:
    return [int(one.iter_type) for one in block.iter_vars]


def _extents(schedule: Any, block: Any) -> list[int]:
    return [int(schedule.get(loop).extent) for loop in schedule.get_loops(block)]


def _partial(schedule: Any, block: Any, columns: int) -> list[Any]:
    """The blocks that reduce to partial results, the widest first; what is left to the block is done by number."""
    vectors = [number for number in _SUMS if number * _LANES < columns]
    number = schedule.sample_categorical(vectors, [1.0 / len(vectors)] * len(vectors))
    schedule.split(schedule.get_loops(block)[-1], [None, number, _QUARTER, _QUARTER])
    axis = len(schedule.get(block).writes[0].region)
    made: list[Any] = []
    for level in (-1, -2, -3):
        # Each from the one before: a name that two blocks have is none to MetaSchedule's postprocessors.
        source = made[-1] if made else block
        made.append(schedule.rfactor(schedule.get_loops(source)[level], axis))
    for partial, lanes in zip(made, (1, 2, 3), strict=True):
        loops = schedule.get_loops(partial)[-lanes:]
        schedule.vectorize(schedule.fuse(*loops) if lanes > 1 else loops[0])
    schedule.annotate(schedule.get_loops(made[-1])[-2], "pragma_loop_partition_hint", 1)
    return made[::-1]


def _write(schedule: Any, block: Any, columns: int) -> None:
    """Has a block write so many elements of a row at once."""
    widths = [width for width in _WIDTHS if width <= columns]
    width = schedule.sample_categorical(widths, [1.0 / len(widths)] * len(widths))
    outer, lane = schedule.split(schedule.get_loops(block)[-1], [None, width])
    schedule.annotate(outer, "pragma_loop_partition_hint", 1)
    schedule.vectorize(lane)
