"""Programs of rows: every schedule computes what the untuned program does, and stock TVM applies it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_FOUND = importlib.util.spec_from_file_location("own_spaces", Path(__file__).parent / "own_spaces.py")
assert _FOUND is not None and _FOUND.loader is not None
own_spaces = importlib.util.module_from_spec(_FOUND)
_FOUND.loader.exec_module(own_spaces)
output, spaces_of = own_spaces.output, own_spaces.spaces_of

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
        np.testing.assert_allclose(
            output(candidate.schedule.mod, target_to_tvm(target)), expected, rtol=1e-4, atol=1e-5
        )
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
