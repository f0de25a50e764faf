"""Records and TVM's own objects: each as the other means it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from tests.tunedb.logfiles import SHARED_LOGS, WORKLOAD_NAME
from tests.tunedb.metaschedule.recorded import LOGS, ZNVER5, module_of, tvm_target
from tunedb.identity import program_from_graph, source
from tunedb.ingest.formats.metaschedule import read_workload
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


def test_workloads_are_written_as_stock_writes_them(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import workload_from_module

    line = (LOGS / "znver5-1core/CBR-1" / WORKLOAD_NAME).read_bytes()
    mod = module_of("znver5-1core/CBR-1")
    assert workload_from_module(mod) == read_workload(line)
    stock = ms.database.JSONDatabase(str(tmp_path / "w.json"), str(tmp_path / "r.json"))
    stock.commit_workload(mod)
    assert read_workload((tmp_path / "w.json").read_bytes()) == read_workload(line)


def test_measurements_become_trials() -> None:
    from tunedb.metaschedule.replay import load_module, replay, target_from_tvm, trial_from_measurement
    from tunedb.traces import validated_trace

    recorded, machine = MemoryStore(), hardware_named("laptop")
    ingest(recorded, [LOGS / "znver5-1core/GMM-0"], hardware=machine)
    known = next(recorded.trials())
    row = recorded.module(known.module_id)
    schedule = replay(load_module(row), validated_trace(known.trace))
    run = source("tune:1", "tune")
    made = trial_from_measurement(
        row,
        target_from_tvm(tvm_target(ZNVER5)),
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
    odd = trial_from_measurement(
        row, recorded.targets()[0], machine, run, position=2, trace=schedule.trace, run_secs=[0.001, 1e-320]
    )
    assert (odd.outcome, odd.run_secs) == (Outcome.FAILED, ())
    assert "a run time of 1e-320 seconds" in odd.error


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
