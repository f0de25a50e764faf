"""Logs go in: good ones whole, bad ones as far as they are good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tunedb.logfiles import (
    RECORD_NAME,
    SHARED_LOGS,
    WORKLOAD_NAME,
    ansor,
    database,
    reasons,
    record_line,
    workload_line,
)
from tunedb import open_store
from tunedb.identity import trial_id_of
from tunedb.ingest.pipeline import IngestProgress, ingest
from tunedb.machine.hardware import UNKNOWN, anonymous_trial_id, hardware_named
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore


def test_a_database_goes_in_once(tmp_path: Path) -> None:
    store = MemoryStore()
    first = ingest(store, [database(tmp_path)])
    assert (first.records, first.added, first.duplicates, first.num_rejected) == (3, 3, 0, 0)
    again = ingest(store, [tmp_path])
    assert (again.records, again.added, again.duplicates) == (3, 0, 3)
    (summary,) = store.workloads()
    assert summary.structural_hashes == ("123456789",)
    assert summary.best_secs == 0.001
    trials = list(store.trials())
    assert [trial.position for trial in trials] == [0, 1, 2]
    written = json.loads(record_line(1))
    assert json.loads(trials[1].trace.to_json()) == written[1][0]
    assert (list(trials[1].run_secs), json.loads(trials[1].args_info)) == (written[1][1], written[1][3])
    assert store.targets()[0].arch == "znver5"


def test_the_order_of_files_and_folders_does_not_matter(tmp_path: Path) -> None:
    database(tmp_path / "b" / "deep")
    database(tmp_path / "a", [record_line(number) for number in (7, 8)])
    (tmp_path / "notes.md").write_text("not a log")
    report = ingest(MemoryStore(), [tmp_path])
    assert (report.added, report.skipped_files, report.num_rejected) == (5, 1, 0)
    assert [(Path(row.uri).parent.name, row.format, row.added) for row in report.files if row.records] == [
        ("a", "metaschedule-json", 2),
        ("deep", "metaschedule-json", 3),
    ]


def test_hardware_is_what_was_given(tmp_path: Path) -> None:
    store = MemoryStore()
    machine = hardware_named("Apple M1 Ultra")
    ingest(store, [database(tmp_path)], hardware=machine)
    assert store.hardware() == [machine]
    assert {trial.hardware_id for trial in store.trials()} == {machine.hardware_id}


def test_progress_is_told(tmp_path: Path) -> None:
    heard: list[IngestProgress] = []
    ingest(MemoryStore(), [database(tmp_path)], on_progress=heard.append)
    assert heard[-1].records == 3
    assert heard[-1].uri.endswith(RECORD_NAME)


@pytest.mark.parametrize("state", ["empty", "missing"])
def test_without_workloads_trials_are_kept_as_unknown(tmp_path: Path, state: str) -> None:
    database(tmp_path, [record_line(0), record_line(1, index=4), record_line(2, index=4)], [])
    if state == "missing":
        (tmp_path / WORKLOAD_NAME).unlink()
    store = MemoryStore()
    report = ingest(store, [tmp_path])
    assert report.added == 3
    assert reasons(report) == [(RECORD_NAME, 0, f"its workload file is {state}: its trials are of unknown workloads")]
    unknown = store.workloads()
    assert sorted(row.num_trials for row in unknown) == [1, 2]
    assert all(row.workload_id.startswith("unknown-") for row in unknown)
    assert unknown[0].name == "unknown 4x16 float32, 16x8 float32, 4x8 float32"
    moved = database(tmp_path / "moved", [record_line(0), record_line(9, index=4)], [])
    assert ingest(store, [moved]).added == 1  # the same log elsewhere, grown: the same unknown workloads
    assert len(store.workloads()) == 2


@pytest.mark.parametrize(
    "bad",
    [
        b"garbage",
        b'["123","not base64!"]',
        b'["123","AAAA"]',
        b'["x","AAAA"]',
        workload_line(b'{"root_index":0,"nodes":[]}'),
        workload_line()[:500],
    ],
)
def test_a_bad_workload_line_does_not_move_the_others(tmp_path: Path, bad: bytes) -> None:
    records = [record_line(0, index=0), record_line(1, index=1)]
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, records, [bad, workload_line()])])
    assert report.added == 2
    assert [(name, line) for name, line, _ in reasons(report)] == [(WORKLOAD_NAME, 1)]
    by_position = {trial.position: trial for trial in store.trials()}
    assert by_position[0].workload_id.startswith("unknown-")
    assert by_position[1].module_id


def test_many_records_in_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.ingest.pipeline._BATCH_ROWS", 7)
    database(tmp_path / "a", [record_line(number) for number in range(40)] + [b"bad"] * 20)
    database(tmp_path / "b", [record_line(number, index=number) for number in range(50, 60)], [])
    store = open_store(tmp_path / "store")
    report = ingest(store, [tmp_path / "a", tmp_path / "b"])
    assert (report.records, report.added, report.num_rejected) == (50, 50, 21)
    assert len(list(store.trials())) == 50
    assert store.problems() == []
    assert sum(row.added for row in report.files) == 50


def test_an_interrupt_keeps_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.ingest.lines._READ_BYTES", 64)
    monkeypatch.setattr("tunedb.ingest.lines._BLOCK_BYTES", 64)
    database(tmp_path, [record_line(number) for number in range(10)])
    from tunedb.ingest.formats import metaschedule

    real = metaschedule.trace_id_of_parts

    def interrupted(shared: str, postproc: bytes, decisions: bytes) -> str:
        if decisions == b"[[1,6]]":
            raise KeyboardInterrupt
        return real(shared, postproc, decisions)

    monkeypatch.setattr(metaschedule, "trace_id_of_parts", interrupted)
    store = MemoryStore()
    with pytest.raises(KeyboardInterrupt):
        ingest(store, [tmp_path])
    assert store.stats().num_trials == 6


@pytest.mark.skipif(not SHARED_LOGS.is_dir(), reason="the shared logs are not here")
def test_real_logs_twice(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    first = ingest(store, [SHARED_LOGS / "metaschedule", SHARED_LOGS / "wild" / "metaschedule"])
    assert first.records == first.added == 8304 + 36 + 30 + 31 + 23 + 292
    assert first.failed_trials == 24
    assert [(Path(uri).parent.name, line) for uri, line in ((row.uri, row.line) for row in first.rejected)] == [
        ("sd-unroll-256", 0)
    ]
    stats = store.stats()
    assert stats.num_modules == 146
    assert len([row for row in store.workloads() if not row.workload_id.startswith("unknown-")]) == 142
    again = ingest(store, [SHARED_LOGS / "metaschedule", SHARED_LOGS / "wild" / "metaschedule"])
    assert (again.added, again.records) == (0, first.records)
    assert store.problems() == []


@pytest.mark.skipif(not SHARED_LOGS.is_dir(), reason="the shared logs are not here")
def test_all_shared_logs_and_nothing_unexplained() -> None:
    report = ingest(MemoryStore(), [SHARED_LOGS])
    assert {row.format: (row.files, row.records, row.added, row.rejected) for row in report.formats()} == {
        "ansor": (5, 53, 53, 0),
        "autotvm": (6, 1808, 1807, 0),  # one line stands twice
        "metaschedule-json": (51, 8716, 8716, 1),
    }
    assert [bad.reason for bad in report.rejected] == [
        "its workload file is empty: its trials are of unknown workloads"
    ]


def ansor_log(path: Path, *secs: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        ansor(figure, error=int(figure > 1)).replace("1024, [2, 1, 4]", f"{place}, [2]")
        for place, figure in enumerate(secs)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def machines_of(store: MemoryStore) -> dict[str, list[float]]:
    names = {row.hardware_id: row.name for row in store.hardware()}
    found: dict[str, list[float]] = {}
    for trial in sorted(store.trials(outcome=Outcome.OK), key=lambda trial: trial.run_secs):
        found.setdefault(names[trial.hardware_id], []).append(trial.run_secs[0])
    return found


def test_logs_that_tell_no_machine_are_of_machines_of_their_own(tmp_path: Path) -> None:
    store = MemoryStore()
    logs = [ansor_log(tmp_path / "laptop.json", 0.001, 0.002), ansor_log(tmp_path / "board.json", 0.009, 0.012)]
    report = ingest(store, logs)
    assert report.unknown_machines == 2
    assert machines_of(store) == {
        "unknown machine of laptop.json": [0.001, 0.002],
        "unknown machine of board.json": [0.009, 0.012],
    }
    assert {row.best_secs for row in store.pool_summaries()} == {0.001, 0.009}


def test_an_unknown_machine_stays_when_its_log_grows_or_moves(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [ansor_log(tmp_path / "a.json", 1e9, 0.001)])
    ingest(store, [ansor_log(tmp_path / "elsewhere" / "b.json", 1e9, 0.001, 0.003)])
    assert machines_of(store) == {"unknown machine of a.json": [0.001, 0.003]}


def test_logs_that_begin_with_one_failure_are_of_two_machines(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [ansor_log(tmp_path / "a.json", 1e9, 0.001), ansor_log(tmp_path / "b.json", 1e9, 0.002)])
    assert len(machines_of(store)) == 2


def test_logs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [ansor_log(tmp_path / f"{secs}" / "a.json", secs) for secs in (0.001, 0.002)])
    first, second = sorted(machines_of(store))
    assert first == "unknown machine of a.json"
    assert second.startswith("unknown machine of a.json (")


def test_an_unknown_machine_is_no_part_of_a_trials_id(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path)])
    for trial in store.trials():
        assert trial.hardware_id != trial.first_hardware_id == UNKNOWN.hardware_id
        assert trial.trial_id == trial_id_of(trial) == anonymous_trial_id(trial)
    assert {row.name for row in store.hardware()} == {f"unknown machine of {tmp_path.name}"}


def test_a_machine_that_is_told_is_the_machine(tmp_path: Path) -> None:
    store = MemoryStore()
    report = ingest(store, [database(tmp_path / "a"), database(tmp_path / "b")], hardware=hardware_named("laptop"))
    assert report.unknown_machines == 0
    assert {(trial.first_hardware_id, trial.hardware_id) for trial in store.trials()} == {
        ("", hardware_named("laptop").hardware_id)
    }
