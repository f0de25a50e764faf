"""The bridge to TVM, against stock's own database."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.logfiles import RECORD_NAME, SHARED_LOGS, WORKLOAD_NAME
from tunedb import Store, open_store, tvm_database
from tunedb.errors import BadInputError
from tunedb.identity import program_from_graph, source
from tunedb.ingest.formats.metaschedule import read_workload
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.records import Outcome, Trace
from tunedb.store.memory import MemoryStore

LOGS = SHARED_LOGS / "metaschedule"
ZNVER5 = {"kind": "llvm", "mcpu": "znver5", "num-cores": 1}
AVX2 = {"kind": "llvm", "mcpu": "x86-64-v3", "num-cores": 1}

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    opened = open_store(tmp_path_factory.mktemp("tvm") / "store")
    folders = ("znver5-1core/GMM-0", "x86-64-v3-1core/GMM-0", "znver5-1core/CBR-1", "znver5-1core/NRM-0")
    ingest(opened, [LOGS / folder for folder in folders])
    return opened


def _module(folder: str) -> Any:
    from tunedb.metaschedule.replay import load_module

    return load_module(read_workload((LOGS / folder / WORKLOAD_NAME).read_bytes()))


def _stock(folder: str, tmp_path: Path) -> Any:
    from tvm.s_tir import meta_schedule as ms

    for name in (WORKLOAD_NAME, RECORD_NAME):  # stock wants to write where it reads
        (tmp_path / name).write_bytes((LOGS / folder / name).read_bytes())
    return ms.database.JSONDatabase(str(tmp_path / WORKLOAD_NAME), str(tmp_path / RECORD_NAME))


def _target(text: dict[str, Any]) -> Any:
    import tvm

    return tvm.target.Target(text)


def test_workloads_are_written_as_stock_writes_them(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import workload_from_module

    line = (LOGS / "znver5-1core/CBR-1" / WORKLOAD_NAME).read_bytes()
    mod = _module("znver5-1core/CBR-1")
    assert workload_from_module(mod) == read_workload(line)
    stock = ms.database.JSONDatabase(str(tmp_path / "w.json"), str(tmp_path / "r.json"))
    stock.commit_workload(mod)
    assert read_workload((tmp_path / "w.json").read_bytes()) == read_workload(line)


@pytest.mark.parametrize("folder", ["znver5-1core/GMM-0", "znver5-1core/CBR-1", "znver5-1core/NRM-0"])
def test_the_best_is_the_same_as_stocks(store: Store, folder: str, tmp_path: Path) -> None:
    stock, mod, target = _stock(folder, tmp_path), _module(folder), _target(ZNVER5)
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
    mod = _module("znver5-1core/GMM-0")
    database = tvm_database(store, ZNVER5)
    fast = database.query_tuning_record(mod, _target(ZNVER5), "main")
    other = database.query_tuning_record(mod, _target(AVX2), "main")
    assert other.run_secs[0] > 1.5 * float(fast.run_secs[0])  # AVX2 instead of AVX-512
    assert json.loads(str(other.target))["mcpu"] == "x86-64-v3"
    assert database.query_tuning_record(mod, _target({"kind": "llvm", "mcpu": "skylake"}), "main") is None
    assert len(database) == 128 + 128 + 60
    assert len(tvm_database(store, json.dumps(AVX2))) == 128


def test_a_database_without_a_target_takes_the_current_one(store: Store) -> None:
    mod = _module("znver5-1core/GMM-0")
    database = tvm_database(store)
    with _target(AVX2):
        workload = database.commit_workload(mod)
        assert json.loads(str(database.get_top_k(workload, 1)[0].target))["mcpu"] == "x86-64-v3"


def test_unknown_modules_are_not_there(store: Store) -> None:
    mod = _module("znver5-1core/GMM-1")
    database = tvm_database(store, ZNVER5)
    assert not database.has_workload(mod)
    assert database.query_schedule(mod, _target(ZNVER5), "main") is None


def test_tuning_writes_into_the_store(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    filled, empty = MemoryStore(), MemoryStore()
    ingest(filled, [LOGS / "znver5-1core/NRM-0"])
    mod, target = _module("znver5-1core/NRM-0"), _target(ZNVER5)
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

    matmul = _module("znver5-1core/GMM-0")["main"]
    builder = relax.BlockBuilder()
    x, y = (relax.Var(name, relax.TensorType((1, 128, 128), "float32")) for name in "xy")
    with builder.function("main", [x, y]):
        private = builder.add_func(matmul.without_attr("global_symbol"), "matmul")
        out = builder.emit(relax.call_tir(private, [x, y], relax.TensorType((1, 128, 128), "float32")))
        builder.emit_func_output(out)
    mod, target = builder.get(), _target(ZNVER5)
    applied = {}
    for name, database in (
        ("ours", tvm_database(store, target)),
        ("stock", _stock("znver5-1core/GMM-0", tmp_path)),
    ):
        with target, database, tvm.transform.PassContext(opt_level=3):
            applied[name] = relax.transform.MetaScheduleApplyDatabase()(mod)
    assert applied["ours"].script() == applied["stock"].script()
    assert applied["ours"].script() != mod.script()


def test_a_trial_as_text_and_as_module(store: Store) -> None:
    from tunedb.metaschedule.replay import scheduled_module, script

    (summary,) = (row for row in store.workloads() if row.name.startswith("conv2d"))
    (trial,) = store.best(summary.workload_id)
    row = store.module(trial.module_id)
    text = script(row, trial)
    assert "T.vectorized" in text
    assert scheduled_module(row, trial).script() == text
    assert scheduled_module(row, trial, trusted=True).script() == text


def test_what_does_not_replay_is_bad_input(store: Store) -> None:
    from tunedb.metaschedule.replay import load_module, scheduled_module, script

    (summary,) = (row for row in store.workloads() if row.name.startswith("matmul"))
    (trial,) = store.best(summary.workload_id, limit=1)
    row = store.module(trial.module_id)
    other_block = Trace(trial.trace.instructions.replace(b'"Z"', b'"nothing"'), trial.trace.decisions)
    for trace in (other_block, Trace(b"null", b"[]"), Trace(trial.trace.instructions, b"[[4,[3,3]]]")):
        broken = dataclasses.replace(trial, trace=trace)
        for ask in (scheduled_module, script):
            with pytest.raises(BadInputError):
                ask(row, broken)
    with pytest.raises(BadInputError, match=r"0\.13"):
        load_module(dataclasses.replace(row, tvm_version="0.13.dev0"))
    with pytest.raises(BadInputError, match="hash"):
        load_module(dataclasses.replace(row, module_json=row.module_json + b" "))
    assert scheduled_module(row, trial)  # the child answers still


def test_what_crashes_tvm_crashes_only_the_child(store: Store) -> None:
    from tunedb.metaschedule.replay import script

    (summary,) = (row for row in store.workloads() if row.name.startswith("matmul"))
    best, second = store.best(summary.workload_id, limit=2)
    row = store.module(best.module_id)
    assert script(row, best)
    decisions = json.loads(best.trace.decisions)
    decisions[0][1] = [0, 0, 0, 0]  # divides by zero inside TVM
    crash = dataclasses.replace(best, trace=Trace(best.trace.instructions, json.dumps(decisions).encode()))
    with pytest.raises(BadInputError, match=r"ended the process \(signal"):
        script(row, crash)
    assert script(row, second)


def test_measurements_become_trials() -> None:
    from tunedb.metaschedule.replay import load_module, replay, target_from_tvm, trial_from_measurement
    from tunedb.traces import validated_trace

    recorded = MemoryStore()
    ingest(recorded, [LOGS / "znver5-1core/GMM-0"])
    known = next(recorded.trials())
    row = recorded.module(known.module_id)
    schedule = replay(load_module(row), validated_trace(known.trace))
    machine, run = hardware_named("unknown"), source("tune:1", "tune")
    made = trial_from_measurement(
        row,
        target_from_tvm(_target(ZNVER5)),
        machine,
        run,
        position=0,
        trace=schedule.trace,
        run_secs=known.run_secs,
        args_info=json.loads(known.args_info),
    )
    assert made == dataclasses.replace(known, source_id=run.source_id)
    failed = trial_from_measurement(
        row, recorded.targets()[0], machine, run, position=1, trace=schedule.trace, run_secs=None, error="x"
    )
    assert (failed.outcome, failed.run_secs, failed.error) == (Outcome.FAILED, (), "x")


def test_the_same_operator_of_2023_and_of_today_is_one_workload() -> None:
    """A matmul and a transpose that TVM 0.13 wrote for a language model, written anew with this TVM."""
    from tvm import te

    from tunedb.metaschedule.replay import workload_from_module

    lines = (SHARED_LOGS / "wild/metaschedule/redpajama-3b-q4f32" / WORKLOAD_NAME).read_bytes().splitlines()
    a, b = te.placeholder((1, 32, 1, 32), name="p"), te.placeholder((1, 32, 32, 80), name="q")
    k = te.reduce_axis((0, 32), name="r")
    product = te.compute((1, 32, 1, 80), lambda n, h, i, j: te.sum(a[n, h, i, k] * b[n, h, k, j], axis=k), name="mm")
    x = te.placeholder((1, 1, 32, 80), name="x")
    moved = te.compute((1, 32, 1, 80), lambda n, h, i, j: x[n, i, h, j], name="moved")
    for index, tensors in ((10, [a, b, product]), (0, [x, moved])):
        import tvm

        _, today = workload_from_module(tvm.IRModule({"main": te.create_prim_func(tensors)}))
        _, then = read_workload(lines[index])
        assert today.workload_id == then.workload_id
        assert (then.tvm_version, today.tvm_version) == ("0.13.dev0", str(tvm.__version__))
        assert today.structural_hash != then.structural_hash


def test_graphs_of_this_release_are_read_as_tvm_means_them(tmp_path: Path) -> None:
    """Names of variables, blocks and buffers change TVM's text of a module but not what it computes."""
    shutil.copyfile(LOGS / "znver5-1core/SFM-0" / WORKLOAD_NAME, tmp_path / WORKLOAD_NAME)
    _, row = read_workload((tmp_path / WORKLOAD_NAME).read_bytes())
    renamed = row.module_json.replace(b"T_softmax_maxelem", b"another_name").replace(b'"i0"', b'"first"')
    _, other = program_from_graph(renamed, row.structural_hash)
    assert other.module_id != row.module_id
    assert other.workload_id == row.workload_id
