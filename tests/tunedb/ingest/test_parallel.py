"""Reading records in child processes gives what reading them here gives, whatever becomes of the children."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.logfiles import RECORD_NAME, database, record_line
from tunedb.ingest import parallel
from tunedb.ingest.pipeline import ingest
from tunedb.processes import Child
from tunedb.store.memory import MemoryStore


@pytest.fixture(autouse=True)
def _children_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_SERIAL_BYTES", 0)
    monkeypatch.setattr(parallel, "_num_children", lambda: 2)
    monkeypatch.setattr("tunedb.ingest.lines._READ_BYTES", 4096)
    monkeypatch.setattr("tunedb.ingest.lines._BLOCK_BYTES", 4096)


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
    real = Child._receive

    def dying(child: Child[Any, Any], *times: Any) -> Any:
        asked.append(child)
        if len(asked) == 3:
            process = child._process
            assert process is not None
            process.kill()
            while os.read(process.replies, 1 << 16):
                continue  # whatever it could say before
        return real(child, *times)

    monkeypatch.setattr(Child, "_receive", dying)
    assert ingest(MemoryStore(), [_logs(tmp_path)]).added == 360
    assert len(asked) > 10


def test_what_came_before_damage_is_kept(tmp_path: Path) -> None:
    database(tmp_path, [record_line(number) for number in range(2000)])
    path = tmp_path / RECORD_NAME
    text = path.read_bytes().decode().encode("utf-16")
    path.write_bytes(text[: len(text) * 3 // 4 | 1])  # within a character
    report = ingest(MemoryStore(), [tmp_path])
    assert 500 < report.added < 2000
    assert "cannot be read on after line" in report.rejected[-1].reason
