"""What is no log is skipped and named; what looks like one and cannot be read is rejected."""

from __future__ import annotations

from pathlib import Path

from tests.tunedb.ingest.packing import tar, zipped
from tests.tunedb.logfiles import RECORD_NAME, WORKLOAD_NAME, autotvm, database, reasons
from tunedb import open_store
from tunedb.ingest.pipeline import ingest
from tunedb.ingest.report import LISTED, IngestReport, Skipped
from tunedb.store.memory import MemoryStore


def test_what_is_skipped_is_named(tmp_path: Path) -> None:
    database(tmp_path)
    (tmp_path / "notes.md").write_text("not a log")
    (tmp_path / "empty").touch()
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "wheel.zip").write_bytes(zipped({"a.py": b"pass", "b.py": b"pass"}))
    report = ingest(MemoryStore(), [tmp_path])
    assert (report.added, report.num_rejected, report.skipped_files) == (3, 0, 5)
    assert {(Path(row.uri).name, row.reason) for row in report.skipped} == {
        ("notes.md", "not a tuning log"),
        ("empty", "an empty file"),
        ("image.png", "not a tuning log"),
        ("package.json", "not a tuning log"),
        ("wheel.zip", "an archive without tuning logs"),
    }


def test_a_store_is_no_folder_of_logs(tmp_path: Path) -> None:
    database(tmp_path / "logs")
    with open_store(tmp_path / "store") as store:
        ingest(store, [tmp_path / "logs"])
    report = ingest(MemoryStore(), [tmp_path])
    assert report.added == 3
    assert report.skipped == [Skipped(str(tmp_path / "store"), "a store, which `tunedb merge` reads")]


def test_what_is_skipped_in_an_archive_is_named(tmp_path: Path) -> None:
    files = {"readme.txt": b"hello", "x/tune.log": autotvm().encode()}
    for name, pack in (("logs.tar", tar), ("logs.zip", zipped)):
        (tmp_path / name).write_bytes(pack(files))
        report = ingest(MemoryStore(), [tmp_path / name])
        assert (report.added, report.skipped_files) == (1, 1)
        assert report.skipped == [Skipped(f"{tmp_path / name}!readme.txt", "not a tuning log")]


def test_zip_archives_are_read_like_tars(tmp_path: Path) -> None:
    folder = database(tmp_path / "plain")
    files = {f"x/{name}": (folder / name).read_bytes() for name in (RECORD_NAME, WORKLOAD_NAME)}
    (tmp_path / "logs.zip").write_bytes(zipped(files))
    store = MemoryStore()
    assert ingest(store, [tmp_path / "logs.zip"]).added == 3
    assert store.stats().num_modules == 1
    assert ingest(store, [folder]).added == 0
    (tmp_path / "more.zip").write_bytes(zipped({"logs.tar": tar(files)}))
    assert reasons(ingest(store, [tmp_path / "more.zip"])) == [("more.zip!logs.tar", 0, "an archive within an archive")]


def test_what_looks_like_a_log_and_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    database(tmp_path)
    (tmp_path / "old.json").write_bytes("{é}".encode("latin-1"))
    (tmp_path / "cut.log").write_bytes(b"\0" * 100)
    (tmp_path / "other.xz").write_bytes(b"\xfd7zXZ\x00\x00\x04 no more")
    (tmp_path / "picture.bin").write_bytes(b"\xff\xfe\x00")  # half a character
    report = ingest(MemoryStore(), [tmp_path])
    assert report.added == 3
    assert sorted(name for name, _, _ in reasons(report)) == ["cut.log", "old.json", "other.xz"]
    assert [Path(row.uri).name for row in report.skipped] == ["picture.bin"]


def test_the_list_of_what_is_skipped_is_bounded() -> None:
    report = IngestReport()
    for number in range(LISTED + 5):
        report.skip(str(number), "not a tuning log")
    assert (len(report.skipped), report.skipped_files) == (LISTED, LISTED + 5)
