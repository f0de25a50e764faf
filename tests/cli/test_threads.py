"""Libraries run on as many threads as their programs were tuned for, and who says otherwise is told."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from cli.threads import run_on


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("TVM_NUM_THREADS", "TVM_BIND_THREADS"):  # what is set is taken back
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)
    told: list[str] = []
    return SimpleNamespace(told=told, run=SimpleNamespace(progress=SimpleNamespace(note=told.append)))


def test_the_runtime_gets_the_threads_of_the_target(notes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    run_on(notes.run, 4)
    assert os.environ["TVM_NUM_THREADS"] == "4"
    assert notes.told == []
    assert "TVM_BIND_THREADS" not in os.environ


def test_what_does_not_agree_is_said(notes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setenv("TVM_NUM_THREADS", "1")
    run_on(notes.run, 4)
    assert os.environ["TVM_NUM_THREADS"] == "1"
    assert notes.told == [
        "TVM_NUM_THREADS is 1, but programs are for 4 threads",
        "programs are for 4 threads, and may use 2 of this machine's processors",
    ]
    assert os.environ["TVM_BIND_THREADS"] == "0", "TVM would bind them to the processors 0 to 3"
