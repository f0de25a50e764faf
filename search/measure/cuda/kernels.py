"""The reference kernels of GPUs: the same two as a CPU's, large enough to keep a GPU busy, and bound to its threads."""

from __future__ import annotations

from typing import Any

from tunedb.machine.kernels import GPU_ARITHMETIC, GPU_MEMORY

_TILE = 4  # rows and columns that a thread sums in registers
_THREADS = 256  # of a block of the kernel that is bound by memory
_VECTOR = 4


def arithmetic() -> tuple[Any, Any]:
    """Products, summed in registers, a block of threads for each; what is read stays in the innermost cache.

    Returns:
        The module and its schedule.
    """
    from tvm import te

    repeats, rows, columns, depth = GPU_ARITHMETIC.extents
    a = te.placeholder((depth, rows), name="a", dtype="float32")
    b = te.placeholder((depth, columns), name="b", dtype="float32")
    k = te.reduce_axis((0, depth), name="k")
    c = te.compute((repeats, rows, columns), lambda r, i, j: te.sum(a[k, i] * b[k, j], axis=k), name="c")
    mod, schedule = _program([a, b, c])
    block = schedule.get_sblock("c")
    registers = schedule.cache_write(block, 0, "local")
    repeat, row, column, reduction = schedule.get_loops(block)
    row_thread, row = schedule.split(row, [None, _TILE])
    column_thread, column = schedule.split(column, [None, _TILE])
    schedule.reorder(repeat, row_thread, column_thread, reduction, row, column)
    schedule.bind(repeat, "blockIdx.x")
    schedule.bind(row_thread, "threadIdx.y")
    schedule.bind(column_thread, "threadIdx.x")
    schedule.reverse_compute_at(registers, column_thread)
    for loop in (row, column):
        schedule.unroll(loop)
    schedule.decompose_reduction(block, reduction)
    return mod, schedule


def memory() -> tuple[Any, Any]:
    """Each element is read, changed and written, neighbours by neighbouring threads.

    Returns:
        The module and its schedule.
    """
    from tvm import te

    (elements,) = GPU_MEMORY.extents
    a = te.placeholder((elements,), name="a", dtype="float32")
    mod, schedule = _program([a, te.compute((elements,), lambda i: a[i] + 1.0, name="b")])
    loop = schedule.get_loops(schedule.get_sblock("b"))[0]
    block, thread, lane = schedule.split(loop, [None, _THREADS, _VECTOR])
    schedule.bind(block, "blockIdx.x")
    schedule.bind(thread, "threadIdx.x")
    schedule.vectorize(lane)
    return mod, schedule


def _program(arguments: list[Any]) -> tuple[Any, Any]:
    from tvm import s_tir, te
    from tvm.ir import IRModule

    mod = IRModule({"main": te.create_prim_func(arguments).with_attr("global_symbol", "main")})
    return mod, s_tir.Schedule(mod)
