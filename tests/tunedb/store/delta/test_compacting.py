"""Compacting a store."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bucket
from tests.tunedb.samples import AROUND, failed, trial
from tunedb import Store, open_store
from tunedb.errors import UsageError
from tunedb.store.delta import compaction
from tunedb.store.delta.store import DeltaStore

_WRITERS, _EACH = 4, 12


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Store]:
    return lambda name: open_store(tmp_path / name)


def test_compacting_keeps_every_trial_and_merges_files(make: Callable[[str], Store], tmp_path: Path) -> None:
    with make("store") as store:
        for number in range(12):
            store.append([trial(number), failed(100 + number)], **AROUND)
        before = [row.trial_id for row in store.trials()]
        early = store.version()
        with make("store") as reader:
            assert len(list(reader.trials())) == 24
            done = {row.table: row for row in store.compact()}
            assert done["trials"].files_before == 12
            assert done["trials"].files_after == 1
            assert done["trials"].files_removed == 0  # within the grace
            assert [row.trial_id for row in reader.trials()] == before
        with open_store(tmp_path / "store", as_of=early) as past:
            assert [row.trial_id for row in past.trials()] == before
        store.append([trial(50)])
        assert len(list(store.trials())) == 25
        assert store.problems() == []
        assert {row.table: row for row in store.compact(timedelta(0))}["trials"].files_removed > 0
        assert len(list(store.trials())) == 25
        with pytest.raises(UsageError):
            store.compact(timedelta(days=-1))


def stored_rows(store: DeltaStore) -> int:
    """The rows of the table of trials, those that stand twice among them."""
    return store._tables["trials"].num_rows()


def append_often(url: str, start: Any, writer: int) -> None:
    compaction.MANY_FILES = 4  # nearly every append merges
    start.wait(60)
    with open_store(url) as store:
        for number in range(_EACH):
            store.append([trial(1000 * writer + number)], **AROUND)
            if number % 4 == 3:
                store.compact()


def test_compactions_at_once_double_nothing(tmp_path: Path) -> None:
    """delta-rs lets two compactions of the same files land."""
    url = str(tmp_path / "store")
    open_store(url).close()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(_WRITERS)
    writers = [context.Process(target=append_often, args=(url, start, number)) for number in range(_WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * _WRITERS
    with DeltaStore(url) as store:
        assert store.stats().num_trials == _WRITERS * _EACH
        assert stored_rows(store) == _WRITERS * _EACH


def test_a_compaction_waits_for_another_and_a_merge_leaves_it_alone(tmp_path: Path) -> None:
    from tunedb.store.delta.guard import compacting

    with DeltaStore(str(tmp_path / "store")) as store:
        for number in range(3):
            store.append([trial(number)], **AROUND)  # type: ignore[arg-type]
        other = threading.Thread(target=store.compact)
        with compacting(str(tmp_path / "store"), waits=True):
            compaction.merge_files(store._tables["trials"], compaction.SMALL_BYTES, 2)
            assert len(store._tables["trials"].files()) == 3
            other.start()
        other.join(60)
        assert len(store._tables["trials"].files()) == 1


def test_in_an_object_store_a_compaction_gives_way(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no locks: what was committed meanwhile makes it begin again."""
    first, second = (DeltaStore(bucket.url, storage_options=bucket.options) for _ in range(2))
    for number in range(5):
        first.append([trial(number), trial(100 + number)], **AROUND)  # type: ignore[arg-type]
    replace, late = compaction.replace_files, [True]

    def interrupted(*given: Any) -> None:
        if late:
            late.clear()
            second.compact()
            second.append([trial(50)], **AROUND)  # type: ignore[arg-type]
        replace(*given)

    monkeypatch.setattr(compaction, "replace_files", interrupted)
    first.compact()
    assert not late
    assert first.stats().num_trials == stored_rows(first) == 11
    assert len(first._tables["trials"].files()) == 1
    assert first.problems(whole=True) == []
    monkeypatch.setattr(compaction, "MANY_FILES", 3)
    for number in range(60, 66):
        first.append([trial(number)])
    assert first.stats().num_trials == stored_rows(first) == 17
    assert len(first._tables["trials"].files()) <= 3
