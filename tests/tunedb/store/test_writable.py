"""Whether a store can be added to is tried before work whose result would be lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.errors import StoreError
from tunedb.store.writable import check_writable


def test_a_store_that_can_be_added_to_is_left_as_it_was(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        before = sorted(tmp_path.rglob("*"))
        check_writable(store)
        assert sorted(tmp_path.rglob("*")) == before
    check_writable(open_store("memory:"))


def test_a_store_that_cannot(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        shutil.rmtree(tmp_path / "store" / "trials")
        with pytest.raises(StoreError, match=r"nothing can be added to the store at .*: No such file or directory"):
            check_writable(store)
