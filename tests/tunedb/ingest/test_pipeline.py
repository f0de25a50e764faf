"""Logs go in: good ones whole, bad ones as far as they are good."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.tunedb.logfiles import (
    RECORD_NAME,
    SHARED_LOGS,
    WORKLOAD_NAME,
    database,
    permissions_hold,
    record_line,
    workload_line,
)
from tunedb import open_store
from tunedb.ingest.pipeline import IngestProgress, IngestReport, ingest
from tunedb.machine.hardware import hardware_named
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore


def _reasons(report: IngestReport) -> list[tuple[str, int, str]]:
    return [(Path(row.uri).name, row.line, row.reason) for row in report.rejected]


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


def test_a_record_file_finds_its_workload_file(tmp_path: Path) -> None:
    database(tmp_path)
    store = MemoryStore()
    report = ingest(store, [tmp_path / RECORD_NAME])
    assert (report.added, report.num_rejected) == (3, 0)
    assert store.stats().num_modules == 1


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


def _zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", _zstd)],
    ids=[".gz", ".xz", ".bz2", ".zst"],
)
def test_compressed_files(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    database(tmp_path / "plain")
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in (RECORD_NAME, WORKLOAD_NAME):
        (packed / (name + suffix)).write_bytes(compress((tmp_path / "plain" / name).read_bytes()))
    store = MemoryStore()
    assert ingest(store, [packed / (RECORD_NAME + suffix)]).added == 3
    assert ingest(store, [tmp_path / "plain"]).added == 0
    assert store.stats().num_modules == 1


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tar_archives_are_streamed(tmp_path: Path, mode: str) -> None:
    database(tmp_path / "plain" / "x")
    database(tmp_path / "plain" / "y", [record_line(5)], [workload_line(structural_hash="55")])
    archive = tmp_path / "logs.tar"
    with tarfile.open(archive, mode) as packed:  # type: ignore[call-overload]
        packed.add(tmp_path / "plain", "logs")
    store = MemoryStore()
    report = ingest(store, [archive])
    assert (report.added, report.num_rejected) == (4, 0)
    assert any(row.uri == f"{archive}!logs/x/{RECORD_NAME}" for row in report.files)
    assert ingest(store, [tmp_path / "plain"]).added == 0
    cut = tmp_path / "cut.tar"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert ingest(MemoryStore(), [cut]).num_rejected > 0


BAD_LINES = {
    "truncated": (record_line(1)[:200], "not a record"),
    "garbage": (b"%$#@!", "not a record"),
    "blank": (b"", "a blank line"),
    "null": (b"null", "not a record"),
    "Infinity": (record_line(1, run_secs="[Infinity]"), "not a record"),
    "NaN": (record_line(1, run_secs="[NaN]"), "not a record"),
    "too large": (record_line(1, run_secs="[1e999]"), "not a record"),
    "negative": (record_line(1, run_secs="[-0.001]"), "a run time of -0.001 seconds"),
    "zero": (record_line(1, run_secs="[0]"), "a run time of 0.0 seconds"),
    "no times": (record_line(1, run_secs="[]"), "no run times"),
    "times are null": (record_line(1, run_secs="null"), "no run times"),
    "index out of range": (record_line(1, index=1), "workload index 1"),
    "negative index": (record_line(1, index=-1), "workload index -1"),
    "not UTF-8": (record_line(1).replace(b"GetSBlock", b"Get\xffBlock"), "UTF-8"),
    "no target": (record_line(1, target="null"), "target"),
    "deep": (record_line(1).replace(b"[[1,1]]", b"[" * 20_000), "not a record"),
    "odd instruction": (record_line(1).replace(b'["GetSBlock",[]', b'["GetSBlock",7'), "instructions"),
    "decisions are no array": (record_line(1).replace(b"[[1,1]]", b"{}"), "decisions"),
}


@pytest.mark.parametrize("label", BAD_LINES)
def test_a_bad_line_is_named_and_the_rest_is_stored(tmp_path: Path, label: str) -> None:
    line, reason = BAD_LINES[label]
    database(tmp_path, [record_line(0), line, record_line(2)])
    store = MemoryStore()
    report = ingest(store, [tmp_path])
    assert report.added == 2
    (rejected,) = report.rejected
    assert (Path(rejected.uri).name, rejected.line) == (RECORD_NAME, 2)
    assert reason in rejected.reason
    assert line.startswith(rejected.content)
    assert list(store.rejected()) == [rejected]
    assert [row.rejected for row in report.files if row.format == "metaschedule-json"] == [1]


def test_the_last_line_without_its_end(tmp_path: Path) -> None:
    database(tmp_path)
    path = tmp_path / RECORD_NAME
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert ingest(MemoryStore(), [tmp_path]).added == 3
    path.write_bytes(path.read_bytes()[:-30])
    report = ingest(MemoryStore(), [tmp_path])
    assert (report.added, report.num_rejected, report.rejected[0].line) == (2, 1, 3)


def test_a_failed_trial_is_a_trial(tmp_path: Path) -> None:
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, [record_line(0), record_line(1, run_secs="[1e10]")])])
    assert (report.added, report.failed_trials, report.num_rejected) == (2, 1, 0)
    (failed,) = store.trials(outcome=Outcome.FAILED)
    assert failed.run_secs == ()


@pytest.mark.parametrize("state", ["empty", "missing"])
def test_without_workloads_trials_are_kept_as_unknown(tmp_path: Path, state: str) -> None:
    database(tmp_path, [record_line(0), record_line(1, index=4), record_line(2, index=4)], [])
    if state == "missing":
        (tmp_path / WORKLOAD_NAME).unlink()
    store = MemoryStore()
    report = ingest(store, [tmp_path])
    assert report.added == 3
    assert _reasons(report) == [(RECORD_NAME, 0, f"its workload file is {state}: its trials are of unknown workloads")]
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
        b"",
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
    assert [(name, line) for name, line, _ in _reasons(report)] == [(WORKLOAD_NAME, 1)]
    by_position = {trial.position: trial for trial in store.trials()}
    assert by_position[0].workload_id.startswith("unknown-")
    assert by_position[1].module_id


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.json").touch()
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(record_line(0) * 50)[:60])
    report = ingest(MemoryStore(), [tmp_path / name for name in ("none", "empty", "zero.json", "readme.txt", "binary")])
    assert sorted(_reasons(report)) == [
        ("binary", 0, "not a tuning log"),
        ("empty", 0, "no tuning logs here"),
        ("none", 0, "there is no such file or folder"),
        ("readme.txt", 0, "not a tuning log"),
        ("zero.json", 0, "an empty file"),
    ]
    assert ingest(MemoryStore(), [tmp_path / "cut.json.gz"]).num_rejected == 1


def test_an_unreadable_file(tmp_path: Path) -> None:
    if not permissions_hold(tmp_path):
        pytest.skip("this user reads everything")
    database(tmp_path)
    (tmp_path / RECORD_NAME).chmod(0)
    report = ingest(MemoryStore(), [tmp_path])
    assert "cannot be opened" in report.rejected[0].reason


def test_a_damaged_compressed_file_gives_its_good_part(tmp_path: Path) -> None:
    database(tmp_path, [record_line(number) for number in range(2000)])
    path = tmp_path / RECORD_NAME
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    (tmp_path / f"{RECORD_NAME}.gz").write_bytes(packed[: len(packed) * 3 // 4])
    report = ingest(MemoryStore(), [tmp_path])
    assert 500 < report.added < 2000
    assert "cannot be read on after line" in report.rejected[-1].reason


def test_a_line_without_end_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.ingest.archives.MAX_LINE_BYTES", 30_000)
    database(tmp_path, [record_line(0), b"[0,[[[" + b" " * 100_000, record_line(2)])
    report = ingest(MemoryStore(), [tmp_path])
    assert report.added == 2
    assert report.rejected[0].line == 2


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
    monkeypatch.setattr("tunedb.ingest.archives._READ_BYTES", 64)
    monkeypatch.setattr("tunedb.ingest.archives._BLOCK_BYTES", 64)
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


def test_white_space_makes_no_other_trial(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path / "tight", [record_line(0)])])
    loose = record_line(0).replace(b",", b", ").replace(b"0.5", b"0.50000")
    report = ingest(store, [database(tmp_path / "loose", [loose])])
    assert (report.records, report.added) == (1, 0)


def test_a_tar_of_no_logs(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as packed:
        member = tarfile.TarInfo("readme.txt")
        member.size = 5
        packed.addfile(member, io.BytesIO(b"hello"))
    assert _reasons(ingest(MemoryStore(), [archive])) == [("x.tar", 0, "no tuning logs here")]


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
