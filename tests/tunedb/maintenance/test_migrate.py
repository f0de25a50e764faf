"""Stores of earlier schema versions, brought to the present one: nothing of them may be lost.

`assets/stores/v1.json` is what the code of version 1 said of its store: trials that stand twice, a damaged log line, a
log without its workload file, two TVM releases' modules of one workload, AutoTVM, reference kernels, flushed caches.
Version 2's store is that one, which the code of version 2 migrated, and three logs more: two of machines that nobody
told, one of a machine that has a name. Version 3's is version 2's, which the code of version 3 migrated, and a trial of
a GPU.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import tarfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from tests.conftest import Bucket
from tunedb import Store, open_store
from tunedb.errors import NotFoundError, StoreError, StoreSchemaError
from tunedb.identity import conditions_of, identified, trial_id_of
from tunedb.machine.hardware import UNKNOWN
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.maintenance import migrate as module
from tunedb.maintenance.migrate import migrate
from tunedb.maintenance.repair import repair
from tunedb.maintenance.verify import verify
from tunedb.query.calibration import all_workload_ids
from tunedb.records import DEFAULT_CONDITIONS, Outcome
from tunedb.store.schema import SCHEMA_VERSION, TABLES

STORES = Path(__file__).parents[1] / "assets" / "stores"
VERSIONS = range(1, SCHEMA_VERSION)
SAID: dict[int, dict[str, Any]] = {number: json.loads((STORES / f"v{number}.json").read_text()) for number in VERSIONS}
EXPECTED = SAID[1]
FLUSHED = conditions_of(caches="flushed")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return unpacked(tmp_path, 1)


def unpacked(folder: Path, version: int) -> Path:
    with tarfile.open(STORES / f"v{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "store"


def check_all_is_there(store: Store, expected: dict[str, Any] = EXPECTED) -> None:
    """Compares a migrated store with what the code that wrote it said of it."""
    flushed = set(expected.get("flushed", ()))  # version 1 told flushed caches by the source alone
    trials = {(trial.source_id, trial.position, trial.workload_id): trial for trial in store.trials()}
    assert len(trials) == len(expected["trials"])
    machines = {row.hardware_id: row for row in store.hardware()}
    unknown: dict[str, set[str]] = {}
    for row in expected["trials"]:
        trial = trials[row["source_id"], row["position"], row["workload_id"]]
        is_flushed = trial.source_id in flushed
        assert trial.conditions == (FLUSHED if is_flushed else row.get("conditions", DEFAULT_CONDITIONS))
        assert (trial.trial_id == row["trial_id"]) is not is_flushed
        assert trial_id_of(trial) == trial.trial_id
        for name in ("workload_id", "module_id", "target_id", "error"):
            assert getattr(trial, name) == row[name]
        assert (trial.first_hardware_id or trial.hardware_id) == row["hardware_id"]
        if row["hardware_id"] == UNKNOWN.hardware_id:
            assert (
                machines[trial.hardware_id].name.startswith("unknown machine of ")
                and machines[trial.hardware_id].origin
            )
            unknown.setdefault(trial.hardware_id, set()).add(trial.source_id)
        else:
            assert trial.first_hardware_id == ""
        assert (trial.trace.to_json(), trial.args_info.decode()) == (row["trace"], row["args_info"])
        assert (list(trial.run_secs), trial.outcome.value) == (row["run_secs"], row["outcome"])
        assert trial.measured_at == (datetime.fromisoformat(row["measured_at"]) if row["measured_at"] else None)
    assert all(len(sources) == 1 for sources in unknown.values())  # never pooled
    modules = [row for workload_id in all_workload_ids(store) for row in store.modules(workload_id)]
    assert sorted(
        [row.module_id, row.workload_id, row.structural_hash, row.tvm_version, len(row.module_json)] for row in modules
    ) == [list(row) for row in expected["modules"]]
    assert sorted([row.workload_id, row.name] for row in store.workloads()) == expected["workloads"]
    assert set(all_workload_ids(store)) & WORKLOAD_IDS == set(expected["kernels"])
    assert sorted(row.target_id for row in store.targets()) == expected["targets"]
    told = [[row.hardware_id, row.name] for row in machines.values() if row.hardware_id not in unknown]
    assert sorted(told) == expected["hardware"]
    sources = [[row.source_id, row.uri, row.added_at.isoformat() if row.added_at else None] for row in store.sources()]
    assert sorted(sources) == expected["sources"]
    assert [[row.line, row.reason] for row in store.rejected()] == expected["rejected"]
    assert store.problems() == [] and verify(store) == []


def test_a_gpu_of_version_3_has_neither_bandwidth_nor_host(tmp_path: Path) -> None:
    old = unpacked(tmp_path, 3)
    migrate(old)
    with open_store(old, create=False) as store:
        (gpu,) = [row for row in store.hardware() if row.kind == "gpu"]
        assert identified(gpu) == gpu, "columns that are not set change no id"
        assert (gpu.num_sms, gpu.memory_bytes_per_sec, gpu.host) == (132, None, None)
        assert [trial.hardware_id for trial in store.trials()].count(gpu.hardware_id) == 1
        known = dataclasses.replace(gpu, memory_bytes_per_sec=3_352_000_000_000, host="AMD EPYC 9965")
        (trial,) = [trial for trial in store.trials() if trial.hardware_id == gpu.hardware_id]
        known = identified(known)
        moved = dataclasses.replace(trial, hardware_id=known.hardware_id)
        store.append([dataclasses.replace(moved, trial_id=trial_id_of(moved))], hardware=[known])
        told = store.sql("SELECT host, memory_bytes_per_sec FROM hardware WHERE kind = 'gpu' ORDER BY host").rows
    assert told == [("AMD EPYC 9965", 3_352_000_000_000), (None, None)]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_lost_of_any_version(tmp_path: Path, version: int) -> None:
    old = unpacked(tmp_path, version)
    with pytest.raises(StoreSchemaError, match="tunedb migrate"):
        open_store(old, create=False)
    migrate(old)
    with open_store(old, create=False) as store:
        check_all_is_there(store, SAID[version])
        for table in TABLES:
            with store.table(table.name) as reader:
                assert reader.read_all().column("checksum").null_count == 0
    assert migrate(old) == []


def test_nothing_is_lost(old: Path) -> None:
    done = {row.table: row for row in migrate(old)}
    assert set(done) == {table.name for table in TABLES}
    assert done["trials"].rows == done["trials"].rows_before == len(EXPECTED["trials"]) + 3  # three stand twice
    with open_store(old, create=False) as store:
        check_all_is_there(store)
        (softmax,) = [row for row in store.workloads() if row.name == "softmax 32x100 float32"]
        assert (softmax.family, softmax.extents, len(softmax.tvm_versions)) == ("softmax", (32, 100), 2)
        flushed = list(store.trials(conditions=FLUSHED))
        assert {row.conditions for row in store.best(flushed[0].workload_id, limit=99) if row} == {DEFAULT_CONDITIONS}
        again = dataclasses.replace(flushed[0], position=99)
        assert store.append([again]).duplicates == 1
    assert migrate(old) == []


def test_the_migrated_store_is_like_one_that_was_always_new(old: Path, tmp_path: Path) -> None:
    migrate(old)
    open_store(tmp_path / "new").close()
    for table in TABLES:
        was, is_ = (deltalake.DeltaTable(str(folder / table.name)) for folder in (old, tmp_path / "new"))
        assert was.metadata().description == is_.metadata().description == f"tunedb schema {SCHEMA_VERSION}"
        assert was.metadata().configuration == is_.metadata().configuration
        assert [(f.name, str(f.type)) for f in was.schema().fields] == [
            (f.name, str(f.type)) for f in is_.schema().fields
        ]


def test_a_latency_that_no_machine_has_is_no_best_any_more(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, 2)
    trials = deltalake.DeltaTable(str(folder / "trials"))
    rows = trials.to_pyarrow_table(filters=[("outcome", "=", "ok")]).to_pylist()
    row = next(row for row in rows if row["workload_id"] not in WORKLOAD_IDS and row["module_id"])
    impossible = {"run_secs": "make_array(1e-320)", "secs_median": "1e-320"}
    trials.update(predicate=f"trial_id = '{row['trial_id']}'", updates=impossible)
    migrate(folder)
    with open_store(folder) as store:
        assert verify(store) == []
        (failed,) = (trial for trial in store.trials(row["workload_id"]) if "which no machine has" in trial.error)
        assert (failed.outcome, failed.run_secs) == (Outcome.FAILED, ())
        assert failed.trial_id == trial_id_of(failed) != row["trial_id"]
        assert all(trial.run_secs_median > 1e-9 for trial in store.best(row["workload_id"], row["target_id"], 9))


@pytest.mark.parametrize("commits", range(28))
def test_a_migration_that_failed_after_some_commits_goes_on(
    old: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    """Whatever ends it between two commits (each is atomic), what is there is refused by all, and finished by one."""
    left = commits

    def counted(real: Any) -> Any:
        def commit(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise OSError("the disk is full")
            left -= 1
            return real(*args, **kwargs)

        return commit

    with monkeypatch.context() as patched:
        patched.setattr(deltalake, "write_deltalake", counted(deltalake.write_deltalake))
        alterer = deltalake.table.TableAlterer
        for name in ("set_table_description", "set_table_properties"):
            patched.setattr(alterer, name, counted(getattr(alterer, name)))
        try:
            migrate(old)
        except StoreError as error:
            assert "disk is full" in str(error)
            with pytest.raises(StoreSchemaError, match="tunedb migrate"):
                open_store(old, create=False)
        else:
            assert left >= 0
    migrate(old)
    with open_store(old, create=False) as store:
        check_all_is_there(store)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.25, 0.4])
def test_a_migration_that_was_killed_goes_on(old: Path, delay: float) -> None:
    code = (
        "import sys; from tunedb.maintenance.migrate import migrate; import deltalake, duckdb, pyarrow.parquet\n"
        "print('ready', flush=True); migrate(sys.argv[1])"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(old)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
    migrate(old)
    with open_store(old, create=False) as store:
        check_all_is_there(store)


def test_what_an_old_tunedb_wrote_meanwhile_is_taken_along(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the table open as it was, and appends in the older form."""
    rows = deltalake.DeltaTable(str(old / "trials")).to_pyarrow_dataset().to_table()
    late = rows.slice(0, 1).set_column(0, "trial_id", [["f" * 32]])
    real = module._write
    appended: list[str] = []

    def write(url: str, *args: Any) -> None:
        real(url, *args)
        if url.endswith("/trials") and not appended:
            appended.append(url)
            deltalake.write_deltalake(url, late, mode="append", schema_mode="merge")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write", write)
        migrate(old)
    with open_store(old, create=False) as store:
        ids = {trial.trial_id: trial.conditions for trial in store.trials()}
        assert ids["f" * 32] == DEFAULT_CONDITIONS
        assert len(ids) == len(EXPECTED["trials"]) + 1


def test_a_store_in_an_object_store(old: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for option, value in bucket.options.items():
        monkeypatch.setenv(option, value)
    name, _, prefix = bucket.url.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    for file in (path for path in old.rglob("*") if path.is_file()):
        client.upload_file(str(file), name, f"{prefix}/{file.relative_to(old).as_posix()}")
    with pytest.raises(StoreSchemaError, match="tunedb migrate --store s3://"):
        open_store(bucket.url, storage_options=bucket.options)
    assert {row.table for row in migrate(bucket.url, bucket.options)} == {table.name for table in TABLES}
    with open_store(bucket.url, create=False, storage_options=bucket.options) as store:
        check_all_is_there(store)


def test_other_verbs_refuse_an_older_store(old: Path) -> None:
    with pytest.raises(StoreSchemaError, match=r"schema version 1.*run `tunedb migrate"):
        open_store(old)
    with pytest.raises(StoreSchemaError, match=r"schema version 1.*run `tunedb migrate"):
        repair(old)


def test_a_version_from_before_cannot_be_read(old: Path) -> None:
    before = deltalake.DeltaTable(str(old / "trials")).version()
    migrate(old)
    with pytest.raises(StoreSchemaError, match="the store was migrated since"):
        open_store(old, as_of=before)


def test_stores_that_cannot_be_migrated(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no store"):
        migrate(tmp_path / "nothing")
    deltalake.write_deltalake(str(tmp_path / "foreign" / "trials"), pa.table({"a": [1]}), description="sales")
    with pytest.raises(StoreError, match="no table hardware"):
        migrate(tmp_path / "foreign")
    open_store(tmp_path / "newer").close()
    table = deltalake.DeltaTable(str(tmp_path / "newer" / "trials"))
    table.alter.set_table_description(f"tunedb schema {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreSchemaError, match="upgrade tunedb"):
        migrate(tmp_path / "newer")
    with pytest.raises(StoreSchemaError, match="upgrade tunedb"):
        repair(tmp_path / "newer")
