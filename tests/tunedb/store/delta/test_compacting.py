"""Compacting a store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, failed, trial
from tunedb import Store, open_store
from tunedb.errors import UsageError


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
