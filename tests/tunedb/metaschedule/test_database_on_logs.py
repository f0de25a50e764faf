"""The store in the place of stock's database, on the shared logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tunedb.logfiles import RECORD_NAME, WORKLOAD_NAME
from tests.tunedb.metaschedule.recorded import AVX2, LOGS, ZNVER5, module_of, stock_database, tvm_target
from tunedb import Store, tvm_database
from tunedb.ingest.pipeline import ingest
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


@pytest.mark.parametrize("folder", ["znver5-1core/GMM-0", "znver5-1core/CBR-1", "znver5-1core/NRM-0"])
def test_the_best_is_the_same_as_stocks(store: Store, folder: str, tmp_path: Path) -> None:
    stock, mod, target = stock_database(folder, tmp_path), module_of(folder), tvm_target(ZNVER5)
    ours = tvm_database(store, target)
    assert ours.has_workload(mod)
    for query in ("query_ir_module", "query_schedule"):
        mine, theirs = (getattr(database, query)(mod, target, "main") for database in (ours, stock))
        assert getattr(mine, "mod", mine).script() == getattr(theirs, "mod", theirs).script()
    mine, theirs = (database.query_tuning_record(mod, target, "main") for database in (ours, stock))
    assert mine.as_json()[1:] == theirs.as_json()[1:]
    tops = [
        [float(record.run_secs[0]) for record in database.get_top_k(database.commit_workload(mod), 5)]
        for database in (ours, stock)
    ]
    assert tops[0] == tops[1]
    assert len(tops[0]) == 5


def test_answers_are_of_the_target(store: Store) -> None:
    mod = module_of("znver5-1core/GMM-0")
    database = tvm_database(store, ZNVER5)
    fast = database.query_tuning_record(mod, tvm_target(ZNVER5), "main")
    other = database.query_tuning_record(mod, tvm_target(AVX2), "main")
    assert other.run_secs[0] > 1.5 * float(fast.run_secs[0])  # AVX2 instead of AVX-512
    assert json.loads(str(other.target))["mcpu"] == "x86-64-v3"
    assert database.query_tuning_record(mod, tvm_target({"kind": "llvm", "mcpu": "skylake"}), "main") is None
    assert len(database) == 128 + 128 + 60
    assert len(tvm_database(store, json.dumps(AVX2))) == 128


def test_a_database_without_a_target_takes_the_current_one(store: Store) -> None:
    mod = module_of("znver5-1core/GMM-0")
    database = tvm_database(store)
    with tvm_target(AVX2):
        workload = database.commit_workload(mod)
        assert json.loads(str(database.get_top_k(workload, 1)[0].target))["mcpu"] == "x86-64-v3"


def test_unknown_modules_are_not_there(store: Store) -> None:
    mod = module_of("znver5-1core/GMM-1")
    database = tvm_database(store, ZNVER5)
    assert not database.has_workload(mod)
    assert database.query_schedule(mod, tvm_target(ZNVER5), "main") is None


def test_tuning_writes_into_the_store(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    filled, empty = MemoryStore(), MemoryStore()
    ingest(filled, [LOGS / "znver5-1core/NRM-0"])
    mod, target = module_of("znver5-1core/NRM-0"), tvm_target(ZNVER5)
    full, fresh = tvm_database(filled, target), tvm_database(empty, target)
    workload = fresh.commit_workload(mod)
    assert [row.name for row in empty.workloads()] == ["norm 1x256x256 float32"]
    records = full.get_top_k(full.commit_workload(mod), 3)
    for record in records:
        fresh.commit_tuning_record(record)
    failed = ms.database.TuningRecord(records[0].trace, workload, [1e10], target, records[0].args_info)
    fresh.commit_tuning_record(failed)
    assert empty.stats().outcomes == {Outcome.OK: 3, Outcome.FAILED: 1}
    assert [row.format for row in empty.sources()] == ["tune"]
    assert empty.targets() == filled.targets()
    best = fresh.query_tuning_record(mod, target, "main")
    assert best.as_json() == records[0].as_json()
    ours, theirs = next(empty.trials()), filled.best(filled.workloads()[0].workload_id)[0]
    assert (ours.trace, ours.args_info, ours.run_secs) == (theirs.trace, theirs.args_info, theirs.run_secs)

    stock = ms.database.JSONDatabase(str(tmp_path / WORKLOAD_NAME), str(tmp_path / RECORD_NAME))
    stock.commit_workload(mod)
    for record in (*records, failed):
        stock.commit_tuning_record(record)
    read = MemoryStore()
    ingest(read, [tmp_path], hardware=empty.hardware()[0])
    assert {row.trial_id for row in read.trials()} == {row.trial_id for row in empty.trials()}


def test_schedules_are_applied_in_a_build(store: Store, tmp_path: Path) -> None:
    import tvm
    from tvm import relax

    matmul = module_of("znver5-1core/GMM-0")["main"]
    builder = relax.BlockBuilder()
    x, y = (relax.Var(name, relax.TensorType((1, 128, 128), "float32")) for name in "xy")
    with builder.function("main", [x, y]):
        private = builder.add_func(matmul.without_attr("global_symbol"), "matmul")
        out = builder.emit(relax.call_tir(private, [x, y], relax.TensorType((1, 128, 128), "float32")))
        builder.emit_func_output(out)
    mod, target = builder.get(), tvm_target(ZNVER5)
    applied = {}
    for name, database in (
        ("ours", tvm_database(store, target)),
        ("stock", stock_database("znver5-1core/GMM-0", tmp_path)),
    ):
        with target, database, tvm.transform.PassContext(opt_level=3):
            applied[name] = relax.transform.MetaScheduleApplyDatabase()(mod)
    assert applied["ours"].script() == applied["stock"].script()
    assert applied["ours"].script() != mod.script()
