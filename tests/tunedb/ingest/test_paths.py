"""Paths lead to logs, or it is said why not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from tests.tunedb.logfiles import (
    RECORD_NAME,
    ansor,
    autotvm,
    database,
    permissions_hold,
    reasons,
    record_line,
)
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore


def test_a_record_file_finds_its_workload_file(tmp_path: Path) -> None:
    database(tmp_path)
    store = MemoryStore()
    report = ingest(store, [tmp_path / RECORD_NAME])
    assert (report.added, report.num_rejected) == (3, 0)
    assert store.stats().num_modules == 1


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.json").touch()
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(record_line(0) * 50)[:60])
    report = ingest(MemoryStore(), [tmp_path / name for name in ("none", "empty", "zero.json", "readme.txt", "binary")])
    assert sorted(reasons(report)) == [
        ("binary", 0, "not a tuning log"),
        ("empty", 0, "no tuning logs here"),
        ("none", 0, "there is no such file or folder"),
        ("readme.txt", 0, "not a tuning log"),
        ("zero.json", 0, "an empty file"),
    ]
    assert ingest(MemoryStore(), [tmp_path / "cut.json.gz"]).num_rejected == 1


def test_a_name_that_is_too_long_costs_nothing_but_itself(tmp_path: Path) -> None:
    database(tmp_path)
    report = ingest(MemoryStore(), [tmp_path / ("x" * 300), tmp_path / RECORD_NAME])
    assert report.added == 3
    assert [reason for _, _, reason in reasons(report)] == ["cannot be looked at: File name too long"]


def test_an_unreadable_file(tmp_path: Path) -> None:
    if not permissions_hold(tmp_path):
        pytest.skip("this user reads everything")
    database(tmp_path)
    (tmp_path / RECORD_NAME).chmod(0)
    report = ingest(MemoryStore(), [tmp_path])
    assert "cannot be opened" in report.rejected[0].reason


def test_streams_of_any_compression() -> None:
    for content in (autotvm().encode(), gzip.compress(ansor().encode())):
        store = MemoryStore()
        report = ingest(store, [io.BytesIO(content)])
        assert (report.added, report.num_rejected) == (1, 0)
        assert [source.uri for source in store.sources()] == ["<stdin>"]
