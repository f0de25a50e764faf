"""Modules that build and run, or do not, each in its own way."""

from typing import Any


def of_operators(*tensors: Any) -> Any:
    from tvm import te
    from tvm.ir import IRModule

    return IRModule({"main": te.create_prim_func(list(tensors)).with_attr("global_symbol", "main")})


def matmul(size: int) -> Any:
    """Unscheduled: 64 is nothing, 4096 takes minutes."""
    from tvm.s_tir.meta_schedule.testing import te_workload

    return of_operators(*te_workload.matmul(size, size, size))


def added(size: int = 64) -> Any:
    """As `matmul`, by its arguments; computes something else."""
    from tvm import te

    a, b = (te.placeholder((size, size), name=name, dtype="float32") for name in "ab")
    return of_operators(a, b, te.compute((size, size), lambda i, j: a[i, j] + b[i, j], name="c"))


def applied(function: Any) -> Any:
    """An elementwise function of one of two arguments."""
    from tvm import te

    a, b = (te.placeholder((64, 64), name=name, dtype="float32") for name in "ab")
    return of_operators(a, b, te.compute((64, 64), lambda i, j: function(a[i, j]) + b[i, j], name="c"))


def threaded() -> Any:
    """Loops bound to GPU threads, which no CPU has: it does not compile."""
    from tvm.s_tir import Schedule

    schedule = Schedule(matmul(64))
    schedule.bind(schedule.get_loops(schedule.get_sblock("C"))[0], "threadIdx.x")
    return schedule.mod
