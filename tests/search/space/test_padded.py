"""Batch products of odd extents: every schedule of the design space computes what the untuned program does."""

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

SHAPES = {"columns": (2, 24, 25, 12), "rows and columns": (3, 17, 37, 9), "heads": (2, 3, 17, 19, 8)}


def program(shape: tuple[int, ...], *, is_transposed: bool = False) -> Any:
    from tvm import te
    from tvm.ir import IRModule

    *batch, rows, columns, depth = shape
    right = (columns, depth) if is_transposed else (depth, columns)
    one = te.placeholder((*batch, rows, depth), name="one")
    other = te.placeholder((*batch, *right), name="other")
    k = te.reduce_axis((0, depth), name="k")

    def value(*at: Any) -> Any:
        *b, i, j = at
        return te.sum(one[(*b, i, k)] * other[(*b, j, k) if is_transposed else (*b, k, j)], axis=k)

    function = te.create_prim_func([one, other, te.compute((*batch, rows, columns), value, name="product")])
    return IRModule({"main": function.with_attr("global_symbol", "main")})


def pads(trace: Any) -> bool:
    return any(str(inst.kind.name) == "PadEinsum" for inst in trace.insts)


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_schedule_computes_what_the_untuned_program_does(name: str, target: Any) -> None:
    from tvm.s_tir.schedule import Trace

    from tunedb.metaschedule.replay import target_to_tvm

    mod = program(SHAPES[name])
    spaces = spaces_of(mod, target)
    own = len(spaces) - 1
    assert pads(spaces.traces[own])
    expected = output(mod, target_to_tvm(target))
    seen = set()
    for seed in range(1, 5):
        candidate = spaces.replay(own, Trace(spaces.traces[own].insts, {}), seed)
        assert candidate is not None
        seen.add(candidate.key)
        found = output(candidate.schedule.mod, target_to_tvm(target))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert len(seen) > 1


def test_stock_tvm_applies_them_from_its_own_database(target: Any, tmp_path: Path) -> None:
    import tvm_ffi
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.schedule import Trace

    from tunedb.metaschedule.replay import target_to_tvm

    mod, on = program(SHAPES["columns"]), target_to_tvm(target)
    spaces = spaces_of(mod, target)
    own = len(spaces) - 1
    candidate = spaces.replay(own, Trace(spaces.traces[own].insts, {}), 3)
    kept = ms.database.JSONDatabase(work_dir=str(tmp_path))
    infos = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
    workload = kept.commit_workload(mod)
    kept.commit_tuning_record(ms.database.TuningRecord(candidate.schedule.trace, workload, [1e-6], on, infos))
    opened = ms.database.JSONDatabase(work_dir=str(tmp_path))
    applied = opened.query_schedule(mod, on, "main")
    assert int(tvm_ffi.structural_hash(applied.mod)) == candidate.key


def test_other_products_have_the_default_spaces_alone(target: Any) -> None:
    for other in (program((2, 17, 32, 8)), program((2, 17, 37, 8), is_transposed=True)):
        assert not any(pads(trace) for trace in spaces_of(other, target).traces)
