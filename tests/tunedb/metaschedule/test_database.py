"""The store in the place of stock's database: module equality, hosts of GPUs, tuning, several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tunedb import Store, open_store, tvm_database
from tunedb.errors import UsageError
from tunedb.identity import source
from tunedb.machine.hardware import hardware_named
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm

TARGET = {"kind": "llvm", "num-cores": 1}

_TUNE = """
import sys
import tvm
from tvm import te
from tvm.s_tir import meta_schedule as ms
import tunedb

def matmul(size):
    a, b = (te.placeholder((size, size), name=name) for name in "ab")
    k = te.reduce_axis((0, size), name="k")
    c = te.compute((size, size), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="c")
    return te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")

if __name__ == "__main__":
    target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
    database = tunedb.tvm_database(sys.argv[1], target)
    found = ms.tune_tir(
        mod=tvm.IRModule({"main": matmul(int(sys.argv[2]))}),
        target=target,
        work_dir=sys.argv[3],
        max_trials_global=4,
        num_trials_per_iter=2,
        database=database,
        builder=ms.builder.LocalBuilder(max_workers=1, timeout_sec=120),  # each worker imports all intrinsics
        runner=ms.runner.LocalRunner(timeout_sec=120),
        cost_model="random",
        strategy="replay-trace",
        seed=int(sys.argv[4]),
    )
    assert found is database
    assert len(database) > 0
"""


def matmul(epilogue: bool = False, constant: float | None = None) -> Any:
    import tvm
    from tvm import te

    a, b = (te.placeholder((32, 32), name=name) for name in "ab")
    k = te.reduce_axis((0, 32), name="k")
    out = te.compute((32, 32), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="c")
    args = [a, b]
    if epilogue:
        added = te.compute((32, 32), lambda i, j: out[i, j] + (constant or 1.0), name="d")
        return tvm.IRModule({"main": te.create_prim_func([*args, added]).with_attr("global_symbol", "main")})
    return tvm.IRModule({"main": te.create_prim_func([*args, out]).with_attr("global_symbol", "main")})


def filled(store: Store, mod: Any, target: object = TARGET, secs: float = 1e-3) -> Store:
    """A store with one made-up measurement of the module."""
    from tvm.s_tir import Schedule

    from tunedb.metaschedule.replay import target_from_tvm, trial_from_measurement, workload_from_module

    schedule = Schedule(mod)
    schedule.split(schedule.get_loops(schedule.get_sblock("c"))[0], [4, 8])
    (workload, row), wanted = workload_from_module(mod), target_from_tvm(target)
    machine, run = hardware_named("a machine"), source("tune:1", "tune")
    trial = trial_from_measurement(row, wanted, machine, run, position=0, trace=schedule.trace, run_secs=[secs])
    store.append([trial], workloads=[workload], modules=[row], targets=[wanted], hardware=[machine], sources=[run])
    return store


@pytest.mark.parametrize("equality", ["structural", "ignore-tensor", "anchor-block"])
@pytest.mark.parametrize("asked", ["the same", "with an epilogue"])
def test_module_equality_is_stocks(equality: str, asked: str) -> None:
    import tvm
    import tvm_ffi
    from tvm.s_tir import meta_schedule as ms

    stored, mod, target = matmul(), matmul(epilogue=asked != "the same"), tvm.target.Target(TARGET)
    store = filled(MemoryStore(), stored)
    ours = tvm_database(store, target, module_equality=equality)
    stock = ms.database.MemoryDatabase(module_equality=equality)
    (record,) = tvm_database(store, target).get_all_tuning_records()
    workload = stock.commit_workload(stored)
    stock.commit_tuning_record(ms.database.TuningRecord(record.trace, workload, record.run_secs, record.target, []))
    assert ours.has_workload(mod) == stock.has_workload(mod) == (asked == "the same" or equality == "anchor-block")
    mine, theirs = (database.query_tuning_record(mod, target, "main") for database in (ours, stock))
    assert (mine is None) == (theirs is None)
    if mine is not None:
        assert mine.as_json() == theirs.as_json()
        scripts = {database.query_ir_module(mod, target, "main").script() for database in (ours, stock)}
        assert len(scripts) == 1
    # What is committed belongs to the very module.
    assert tvm_ffi.structural_equal(ours.commit_workload(mod).mod, mod)
    assert len(store.workloads()) == (1 if asked == "the same" else 2)


def test_an_unknown_equality_is_refused() -> None:
    with pytest.raises(UsageError, match="anchor-block"):
        tvm_database(MemoryStore(), TARGET, module_equality="loose")


def test_the_host_of_a_gpu_does_not_matter_but_its_arch_does() -> None:
    import tvm

    mod = matmul()
    gpu: dict[str, Any] = {
        "kind": "cuda",
        "arch": "sm_80",
        "max_threads_per_block": 1024,
        "max_shared_memory_per_block": 49152,
    }
    store = filled(MemoryStore(), mod, {**gpu, "host": {"kind": "llvm", "mcpu": "znver3"}}, secs=2e-3)
    filled(store, mod, {**gpu, "host": {"kind": "llvm", "mcpu": "skylake"}}, secs=1e-3)
    asked = tvm.target.Target({**gpu, "host": {"kind": "llvm", "mcpu": "haswell"}})
    database = tvm_database(store, asked)
    assert float(database.query_tuning_record(mod, asked, "main").run_secs[0]) == 1e-3
    assert len(database) == len(database.get_all_tuning_records()) == 2
    other = tvm.target.Target({**gpu, "arch": "sm_90"})
    assert database.query_tuning_record(mod, other, "main") is None


@pytest.mark.slow
def test_several_processes_tune_into_one_store(tmp_path: Path) -> None:
    script = tmp_path / "tuning.py"
    script.write_text(_TUNE)
    store = tmp_path / "store"
    open_store(store).close()
    processes = [
        subprocess.Popen(
            [sys.executable, script, store, str(size), tmp_path / f"work{place}", str(place + 1)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for place, size in enumerate((32, 48))
    ]
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output[-2000:]
    with open_store(store) as opened:
        assert [row.name for row in opened.workloads()] == ["matmul 32x32x32 float32", "matmul 48x48x48 float32"]
        assert {row.num_trials for row in opened.workloads()} == {4}
        assert opened.stats().outcomes[Outcome.OK] > 0
        assert len(opened.sources()) == 2
        assert opened.problems() == []
