from typing import Any

import pytest

pytestmark = pytest.mark.tvm


def test_the_instruction_is_in_the_code_that_is_made_for_it() -> None:
    import tvm
    from tvm.s_tir import Schedule

    from search.networks.integers.programs import Shape, convolution
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for("llvm")
    schedule = Schedule(
        tvm.IRModule({"main": convolution(Shape(1, 4, 1, 8, 16), 0).with_attr("global_symbol", "main")})
    )
    block = schedule.get_sblock("conv")
    *_, rows, _, _, lane, _ = schedule.get_loops(block)
    schedule.decompose_reduction(block, rows)
    schedule.tensorize(lane, "dot_16x4_vnni")
    target = tvm.target.Target({"kind": "llvm", "mcpu": "cascadelake"})
    assert "vpdpbusd" in assembly(tvm.compile(schedule.mod, target=target))


def assembly(built: Any) -> str:
    return str(built.mod.inspect_source("asm"))
