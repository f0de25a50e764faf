"""What was counted in a store is kept for the next process, and counted again when the store is another."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pytest

from service.dashboard import digest as module
from service.dashboard.digest import Digest, digest, remember
from service.dashboard.registry import groups, views
from tests.tunedb.samples import AROUND, failed, trial
from tunedb import open_store


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MANY", 2)


def counted(store: Path, kept: Path) -> Digest:
    with open_store(store) as opened:
        remember(opened, kept)
        return digest(opened)


def test_it_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, kept = tmp_path / "store", tmp_path / "kept"
    with open_store(store) as opened:
        opened.append([trial(0), failed(1)], **AROUND)
    first = counted(store, kept)
    (file,) = kept.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(module, "_counted", lambda _: pytest.fail("it was kept"))
    assert counted(store, kept) == first
    monkeypatch.undo()
    monkeypatch.setattr(module, "_MANY", 2)
    with open_store(store) as opened:
        opened.append([trial(2)])
    assert sum(row.num_trials for row in counted(store, kept).groups) == 3
    assert len(list(kept.iterdir())) == 1


def test_another_store_at_the_same_place_is_counted(tmp_path: Path) -> None:
    store, kept = tmp_path / "store", tmp_path / "kept"
    for number in (2, 3):
        with open_store(store) as opened:
            opened.append([trial(one) for one in range(number)], **AROUND)
        assert sum(row.num_trials for row in counted(store, kept).groups) == number
        shutil.rmtree(store)


def test_a_file_that_cannot_be_read_is_counted_anew(tmp_path: Path) -> None:
    store, kept = tmp_path / "store", tmp_path / "kept"
    with open_store(store) as opened:
        opened.append([trial(0), trial(1)], **AROUND)
    first = counted(store, kept)
    (file,) = kept.iterdir()
    for content in (b"", b"\xc1", file.read_bytes()[:-9]):
        file.write_bytes(content)
        assert counted(store, kept) == first


def test_few_trials_and_stores_in_memory_are_not_kept(tmp_path: Path) -> None:
    for where in (tmp_path / "store", "memory:"):
        with open_store(where) as opened:
            opened.append([trial(0)] if where != "memory:" else [trial(0), trial(1)], **AROUND)
            remember(opened, tmp_path / "kept")
            digest(opened)
    assert not (tmp_path / "kept").exists()


def test_the_navigation_says_what_the_views_say() -> None:
    for view in views():
        assert import_module(f"service.dashboard.views.{view.name}").VIEW is view
    told = [(entry.name, entry.title, group) for group, entries in groups().items() for entry in entries]
    assert sorted(told) == sorted((view.name, view.title, view.group) for view in views())
