"""A design space for batch products of extents that no vector divides: operands are padded as they are packed.

MetaSchedule tiles by divisors, and of an odd extent those are few or none. Here each matrix is copied into a padded
one, whose copy costs one part in as many as the other has columns, and the product is of whole vectors.
"""

from __future__ import annotations

import math
from typing import Any

_LANES = 16  # of the widest vectors, in float32
_ROWS = (8, 7, 6, 5, 4)  # of a block that is summed in registers
_MOST_VECTORS = 28  # of such a block: two operands need room, too
_SPATIAL, _REDUCTION = 0, 2


def padded_space(schedule: Any, num_cores: int) -> list[Any]:
    """The design space of a batch product in float32 whose columns are no multiple of a vector.

    Args:
        schedule: A schedule of the program with nothing done; it is changed.
        num_cores: How many cores share the batch.

    Returns:
        The schedule, its decisions drawn at random; nothing where the program is another.
    """
    blocks = schedule.get_child_blocks(schedule.get_sblock("root"))
    if len(blocks) != 1 or not _is_product(schedule, blocks[0]):
        return []
    (product,) = blocks
    *batch, rows, columns, _ = (int(schedule.get(loop).extent) for loop in schedule.get_loops(product))
    if columns % _LANES == 0 or min(rows, columns) < _LANES:
        return []
    tall = min(_ROWS, key=lambda number: (-rows % number, -number))
    schedule.pad_einsum(product, [*(1 for _ in batch), tall, _LANES, 1])
    packed = list(schedule.get_producers(product))
    (output,) = schedule.get_consumers(product)
    *axes, i, j, k = schedule.get_loops(product)
    b = schedule.fuse(*axes) if len(axes) > 1 else axes[0]
    padded = columns + -columns % _LANES
    most = [n for n in range(1, _MOST_VECTORS // tall + 1) if padded // _LANES % n == 0]
    width = schedule.sample_categorical(most, [1.0 / len(most)] * len(most))
    steps = schedule.sample_categorical([1, 2, 4], [1 / 3] * 3)
    i_outer, i_inner = schedule.split(i, [None, tall])
    j_outer, vector, lane = schedule.split(j, [None, width, _LANES])
    k_outer, k_inner = schedule.split(k, [None, steps])
    schedule.reorder(b, j_outer, i_outer, k_outer, k_inner, i_inner, vector, lane)
    schedule.reverse_compute_at(output, i_outer, preserve_unit_loops=True)
    for one in packed:
        schedule.compute_at(one, b, preserve_unit_loops=True)
        _in_vectors(schedule, one)
    _in_vectors(schedule, output)
    schedule.vectorize(lane)
    for loop in (k_inner, i_inner, vector):
        schedule.unroll(loop)
    if num_cores > 1:
        schedule.annotate(schedule.get_sblock("root"), "meta_schedule.parallel", math.prod(batch))
    return [schedule]


def _is_product(schedule: Any, block: Any) -> bool:
    """Whether a block multiplies matrices, several of them, of which the second has its columns side by side."""
    its = schedule.get(block)
    *batch, row, column, reduced = (int(one.iter_type) for one in its.iter_vars)
    kinds = {str(region.source.dtype) for region in (*its.reads, *its.writes)}
    if not batch or {*batch, row, column} != {_SPATIAL} or reduced != _REDUCTION or kinds != {"float32"}:
        return False
    if len(its.reads) != 2 or any(len(one.region) != len(its.iter_vars) - 1 for one in its.reads):
        return False
    variables = [one.var for one in its.iter_vars]
    wanted = [[*variables[:-2], variables[-1]], [*variables[:-3], variables[-1], variables[-2]]]
    return all(
        axis.min.same_as(variable)
        for region, its_variables in zip(its.reads, wanted, strict=True)
        for axis, variable in zip(region.region, its_variables, strict=True)
    )


def _in_vectors(schedule: Any, block: Any) -> None:
    outer, lane = schedule.split(schedule.get_loops(block)[-1], [None, _LANES])
    schedule.annotate(outer, "pragma_loop_partition_hint", 1)
    schedule.vectorize(lane)
