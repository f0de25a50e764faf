"""Batch products of odd extents: every schedule of the design space computes what the untuned program does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.search.space.test_rows import output, spaces_of

pytestmark = pytest.mark.tvm

SHAPES = {"columns": (2, 24, 25, 12), "rows and columns": (3, 17, 37, 9)}


def program(shape: tuple[int, ...]) -> Any:
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(list(te_workload.batch_matmul_nkkm(*shape)))
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
    for seed in range(1, 6):
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


def test_products_of_whole_vectors_have_the_default_spaces_alone(target: Any) -> None:
    assert not any(pads(trace) for trace in spaces_of(program((2, 17, 32, 8)), target).traces)
