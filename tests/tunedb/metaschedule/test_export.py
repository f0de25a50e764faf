"""What is exported can be read again, by us and by stock TVM."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.tunedb import graphs
from tests.tunedb.ingest.test_tables import contents, full
from tests.tunedb.logfiles import SHARED_LOGS, database, record_line, workload_line
from tunedb.errors import UsageError
from tunedb.ingest.pipeline import ingest
from tunedb.metaschedule.export import ORIGIN_FILE, RECORD_FILE, WORKLOAD_FILE, export_metaschedule
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore

RELEASE = "0.27.0.post1"


def _filled(folder: Path) -> MemoryStore:
    store = MemoryStore()
    records = [record_line(0), record_line(1, run_secs="[1e10]"), record_line(2)]
    records.append(record_line(3, index=1).replace(b'["C","main"]', b'["T_matmul","main"]'))
    ingest(store, [database(folder, records, [workload_line(), workload_line(graphs.old_form(), "77")])])
    return store


def test_what_is_exported_is_read_again(tmp_path: Path) -> None:
    store = _filled(tmp_path / "in")
    report = export_metaschedule(store, tmp_path / "out", tvm_version=RELEASE)
    assert (report.workloads, report.trials, report.failed_trials) == (1, 3, 1)
    assert dict(report.left_out) == {"its module was written by TVM 0.13.dev0": 1}
    again = MemoryStore()
    ingest(again, [tmp_path / "out"])
    kept = {trial.trial_id for trial in store.trials() if trial.position != 3}
    assert {trial.trial_id for trial in again.trials()} == kept
    assert again.module(next(iter(again.trials())).module_id) == store.module(next(iter(again.trials())).module_id)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [RECORD_FILE, ORIGIN_FILE, WORKLOAD_FILE]
    )


@pytest.mark.parametrize("packing", ["folder", "tar", "alone"])
def test_a_database_comes_back_as_it_was(packing: str, tmp_path: Path) -> None:
    store = full(tmp_path / "in")
    report = export_metaschedule(store, tmp_path / "out", tvm_version=RELEASE)
    kept = contents(store)
    expected = {identity: row for identity, row in kept.items() if row[0].module_id}  # stock TVM needs a module
    assert report.trials == len(expected) > 8
    path = tmp_path / "out"
    if packing == "tar":
        path = tmp_path / "out.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(tmp_path / "out", "out")
    elif packing == "alone":
        path = path / RECORD_FILE
    again = MemoryStore()
    read = ingest(again, [path])
    assert (read.added, read.num_rejected) == (len(expected), 0)
    assert contents(again) == expected
    assert again.problems() == []
    assert ingest(store, [path]).added == 0
    assert read.unknown_machines == 0


def test_origins_that_do_not_fit_are_not_believed(tmp_path: Path) -> None:
    store = full(tmp_path / "in")
    number = export_metaschedule(store, tmp_path / "out", tvm_version=RELEASE).trials
    records = tmp_path / "out" / RECORD_FILE
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(b"".join([lines[1], lines[0], *lines[2:], lines[2].replace(b"[[1,", b"[[0,", 1)]))
    origins = tmp_path / "out" / ORIGIN_FILE
    rows = origins.read_bytes().splitlines(keepends=True)
    origins.write_bytes(b"".join([*rows[:-1], b"{broken\n"]))
    again = MemoryStore()
    report = ingest(again, [tmp_path / "out"])
    assert report.added == number + 1
    known = {trial.trial_id for trial in store.trials()} & {trial.trial_id for trial in again.trials()}
    assert number - 3 <= len(known) < number
    assert again.problems() == []


def test_only_the_best_and_only_the_good(tmp_path: Path) -> None:
    store = _filled(tmp_path / "in")
    assert export_metaschedule(store, tmp_path / "a", top_k=1, tvm_version=RELEASE).trials == 1
    good = export_metaschedule(store, tmp_path / "b", include_failed=False, tvm_version=RELEASE)
    assert (good.trials, good.failed_trials) == (2, 0)
    (target,) = store.targets()
    some = export_metaschedule(store, tmp_path / "c", target_id=target.target_id, tvm_version=RELEASE)
    assert some.trials == 3
    assert export_metaschedule(store, tmp_path / "d", workload_id="none", tvm_version=RELEASE).trials == 0
    assert not (tmp_path / "d").exists()  # nothing is in the way of the next one


def test_nothing_is_written_over(tmp_path: Path) -> None:
    store = _filled(tmp_path / "in")
    before = (tmp_path / "in" / RECORD_FILE).read_bytes()
    with pytest.raises(UsageError):
        export_metaschedule(store, tmp_path / "in", tvm_version=RELEASE)
    with pytest.raises(UsageError):
        export_metaschedule(store, tmp_path / "out", top_k=0)
    assert (tmp_path / "in" / RECORD_FILE).read_bytes() == before


@pytest.mark.tvm
@pytest.mark.skipif(not SHARED_LOGS.is_dir(), reason="the shared logs are not here")
def test_stock_opens_what_is_exported(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    folder = SHARED_LOGS / "metaschedule" / "znver5-1core" / "SFM-0"
    store = MemoryStore()
    ingest(store, [folder])
    report = export_metaschedule(store, tmp_path / "out")
    stock = ms.database.JSONDatabase(str(tmp_path / "out" / WORKLOAD_FILE), str(tmp_path / "out" / RECORD_FILE))
    assert len(stock) == report.trials == 128
    assert report.failed_trials == 1
    seconds = sorted(float(record.run_secs[0]) for record in stock.get_all_tuning_records())
    recorded = [json.loads(line)[1][1][0] for line in (folder / RECORD_FILE).read_text().splitlines()]
    assert seconds == sorted(recorded)
    assert sum(1 for trial in store.trials(outcome=Outcome.FAILED)) == 1
