"""Programs of rows: every schedule of the design space computes what the untuned program does, here and in stock TVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm

SHAPES = {"layer norm": (24, 256), "softmax": (3, 5, 64), "softmax of odd rows": (7, 197), "rms norm": (9, 50)}


def program(name: str) -> Any:
    from tvm import te, topi
    from tvm.ir import IRModule

    shape = SHAPES[name]
    data = te.placeholder(shape, name="data")
    scale, shift = (te.placeholder(shape[-1:], name=one) for one in ("scale", "shift"))
    args = {
        "layer norm": lambda: [data, scale, shift, topi.nn.layer_norm(data, scale, shift, axis=[1])],
        "rms norm": lambda: [data, scale, topi.nn.rms_norm(data, scale, [1])],
    }.get(name, lambda: [data, topi.nn.fast_softmax(data, axis=-1)])()
    return IRModule({"main": te.create_prim_func(args).with_attr("global_symbol", "main")})


def context_of(mod: Any, target: Any) -> Any:
    from search.contexts import contexts
    from search.task import Task
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for(target.kind)
    return contexts([Task("task", mod, 1)], target, seed=0)[0]


def spaces_of(mod: Any, target: Any) -> Any:
    from search.space.spaces import DesignSpaces

    context = context_of(mod, target)
    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))


def output(mod: Any, target: Any) -> Any:
    import tvm
    from tvm.s_tir import meta_schedule as ms

    rng = np.random.default_rng(1)
    infos = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
    arrays = [tvm.runtime.tensor(rng.standard_normal([int(n) for n in one.shape], dtype="float32")) for one in infos]
    tvm.compile(mod, target=target)["main"](*arrays)
    return arrays[-1].numpy()


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_schedule_computes_what_the_untuned_program_does(name: str, target: Any) -> None:
    from tvm.s_tir.schedule import Trace

    from tunedb.metaschedule.replay import target_to_tvm

    mod = program(name)
    spaces = spaces_of(mod, target)
    own = len(spaces) - 1
    assert any(str(inst.kind.name) == "Merge" for inst in spaces.traces[own].insts)
    expected = output(mod, target_to_tvm(target))
    seen = set()
    for seed in range(1, 7):
        candidate = spaces.replay(own, Trace(spaces.traces[own].insts, {}), seed)
        assert candidate is not None
        seen.add(candidate.key)
        np.testing.assert_allclose(output(candidate.schedule.mod, target_to_tvm(target)), expected, rtol=1e-4, atol=1e-5)
    assert len(seen) > 1  # there is something to choose


def test_stock_tvm_applies_them_from_its_own_database(target: Any, tmp_path: Path) -> None:
    import tvm_ffi
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.schedule import Trace

    from tunedb.metaschedule.replay import target_to_tvm

    mod, on = program("layer norm"), target_to_tvm(target)
    spaces = spaces_of(mod, target)
    own = len(spaces) - 1
    candidate = spaces.replay(own, Trace(spaces.traces[own].insts, {}), 3)
    kept = ms.database.JSONDatabase(work_dir=str(tmp_path))
    workload = kept.commit_workload(mod)
    infos = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
    kept.commit_tuning_record(ms.database.TuningRecord(candidate.schedule.trace, workload, [1e-6], on, infos))
    opened = ms.database.JSONDatabase(work_dir=str(tmp_path))
    with on:
        applied = opened.query_schedule(mod, on, "main")
    assert int(tvm_ffi.structural_hash(applied.mod)) == candidate.key


def test_changes_of_them_stay_valid(target: Any) -> None:
    spaces = spaces_of(program("softmax"), target)
    own = len(spaces) - 1
    parents = [one for one in spaces.sample(24) if one.space == own]
    assert parents
    children = [one for one in spaces.make(spaces.vary(parents, 12)) if one is not None]
    assert len(children) == 12
    assert {one.space for one in children} == {own}
    assert {one.key for one in children} - {one.key for one in parents}


def test_other_programs_have_the_default_spaces_alone(small_matmul: Any, context: Any, target: Any) -> None:
    assert len(spaces_of(small_matmul, target)) == len(context.generate_design_space())
