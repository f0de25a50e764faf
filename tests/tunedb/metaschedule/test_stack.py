"""What LLVM keeps on the stack lies aligned, wherever the caller's stack ends."""

from typing import Any

import numpy as np
import pytest

from tunedb import align_stack

pytestmark = pytest.mark.tvm

_AVX512 = {"kind": "llvm", "mcpu": "skylake-avx512", "mtriple": "x86_64-linux-gnu", "num-cores": 1}
_REALIGNED = "andq\t$-64, %rsp"
_ROWS, _COLUMNS, _DEPTH = 24, 32, 16


def crowded(*, parallel: bool) -> Any:
    """A product whose sums need more registers than there are."""
    from tvm import s_tir, te
    from tvm.ir import IRModule

    a = te.placeholder((_DEPTH, _ROWS), name="a")
    b = te.placeholder((_DEPTH, _COLUMNS), name="b")
    k = te.reduce_axis((0, _DEPTH), name="k")
    c = te.compute((4, _ROWS, _COLUMNS), lambda r, i, j: te.sum(a[k, i] * b[k, j], axis=k), name="c")
    function = te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")
    schedule = s_tir.Schedule(IRModule({"main": function}))
    block = schedule.get_sblock("c")
    registers = schedule.cache_write(block, 0, "local")
    repeat, row, column, reduction = schedule.get_loops(block)
    vectors, lane = schedule.split(column, [None, 16])
    schedule.reorder(repeat, reduction, row, vectors, lane)
    schedule.reverse_compute_at(registers, repeat)
    for loop in (row, vectors):
        schedule.unroll(loop)
    schedule.vectorize(lane)
    if parallel:
        schedule.parallel(repeat)
    schedule.decompose_reduction(block, reduction)
    return schedule.mod


def assembly(mod: Any) -> str:
    import tvm

    return str(tvm.compile(mod, target=tvm.target.Target(_AVX512)).mod.inspect_source("asm"))


@pytest.mark.parametrize("parallel", [False, True])
def test_stacks_are_aligned_for_vectors(parallel: bool) -> None:
    mod = crowded(parallel=parallel)
    assert _REALIGNED not in assembly(mod), "LLVM does so by itself: align_stack has nothing left to do"
    assert _REALIGNED in assembly(align_stack(mod))


@pytest.mark.parametrize("parallel", [False, True])
def test_what_is_computed_stays_the_same(parallel: bool) -> None:
    import tvm

    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(_DEPTH, width)).astype(np.float32) for width in (_ROWS, _COLUMNS))
    c = tvm.runtime.tensor(np.zeros((4, _ROWS, _COLUMNS), np.float32))
    built = tvm.compile(align_stack(crowded(parallel=parallel)), target="llvm")
    built["main"](tvm.runtime.tensor(a), tvm.runtime.tensor(b), c)
    np.testing.assert_allclose(c.numpy(), np.broadcast_to(a.T @ b, c.shape), rtol=1e-5, atol=1e-5)


def test_what_is_no_tensor_program_stays_as_it_is() -> None:
    from tvm import relax
    from tvm.ir import IRModule

    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((4,), "float32"))
    with builder.function("network", [x]):
        builder.emit_func_output(builder.emit(relax.op.nn.relu(x)))
    mod = builder.get()
    mod["main"] = crowded(parallel=False)["main"]
    made = align_stack(IRModule(mod.functions))
    assert made["network"].same_as(mod["network"])
    assert not made["main"].same_as(mod["main"])
