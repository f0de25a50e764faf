"""Reading records in child processes gives what reading them here gives, whatever becomes of the children."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.tunedb.logfiles import RECORD_NAME, database, record_line
from tunedb.ingest import parallel
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore


@pytest.fixture(autouse=True)
def _children_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_SERIAL_BYTES", 0)
    monkeypatch.setattr(parallel, "_num_children", lambda: 2)
    monkeypatch.setattr("tunedb.ingest.archives._READ_BYTES", 4096)
    monkeypatch.setattr("tunedb.ingest.archives._BLOCK_BYTES", 4096)


def _logs(folder: Path) -> Path:
    lines = [record_line(number) if number % 10 else b"bad" for number in range(400)]
    return database(folder / "a", lines)


def test_children_read_what_is_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = _logs(tmp_path)
    beside, here = MemoryStore(), MemoryStore()
    first = ingest(beside, [logs])
    monkeypatch.setattr(parallel, "_num_children", lambda: 1)
    second = ingest(here, [logs])
    assert first == second
    assert first.added == 360
    assert list(beside.trials()) == list(here.trials())
    assert list(beside.rejected()) == list(here.rejected())


def test_a_child_that_dies_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = parallel._Child.parse

    def dying(child: parallel._Child, chunk: parallel.Chunk) -> parallel.Parsed:
        asked.append(chunk)
        if len(asked) == 3:
            child.process.kill()
        return real(child, chunk)

    monkeypatch.setattr(parallel._Child, "parse", dying)
    assert ingest(MemoryStore(), [_logs(tmp_path)]).added == 360
    assert len(asked) > 10


def test_what_came_before_damage_is_kept(tmp_path: Path) -> None:
    database(tmp_path, [record_line(number) for number in range(2000)])
    path = tmp_path / RECORD_NAME
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    (tmp_path / f"{RECORD_NAME}.gz").write_bytes(packed[: len(packed) * 3 // 4])
    report = ingest(MemoryStore(), [tmp_path])
    assert 500 < report.added < 2000
    assert "cannot be read on after line" in report.rejected[-1].reason
