"""Stores that earlier versions wrote must open and answer; those of later ones must be refused with advice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tunedb.make_store_asset import STORES
from tests.tunedb.samples import OTHER_TARGET, TARGET, WORKLOAD, failed, trial
from tunedb import open_store
from tunedb.errors import StoreSchemaError
from tunedb.query.sql import run_sql
from tunedb.records import Outcome
from tunedb.store.schema import SCHEMA_VERSION


def test_there_is_a_store_of_each_version() -> None:
    assert {folder.name for folder in STORES.iterdir()} == {f"v{number}" for number in range(1, SCHEMA_VERSION + 1)}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_store_of_an_earlier_version_opens_and_answers(version: int, tmp_path: Path) -> None:
    shutil.copytree(STORES / f"v{version}", tmp_path / "store")
    with open_store(tmp_path / "store", create=False) as store:
        assert store.stats().outcomes == {Outcome.OK: 3, Outcome.COMPILE_ERROR: 1}
        assert store.best(WORKLOAD.workload_id, TARGET.target_id)[0] == trial(0)
        assert store.modules(WORKLOAD.workload_id) == [WORKLOAD]
        expected = [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)]
        assert list(store.trials()) == expected
        assert run_sql(store, "SELECT count(*) FROM quarantine").rows == [(1,)]
        assert store.problems() == []
        report = store.append([*expected, trial(9)])
        assert (report.added, report.duplicates) == (1, 4)


def test_a_store_of_a_later_version_is_refused_with_advice(tmp_path: Path) -> None:
    shutil.copytree(STORES / f"v{SCHEMA_VERSION}", tmp_path / "store")
    first = tmp_path / "store" / "trials" / "_delta_log" / f"{0:020d}.json"
    text = first.read_text()
    assert f"tunedb schema {SCHEMA_VERSION}" in text
    first.write_text(text.replace(f"tunedb schema {SCHEMA_VERSION}", f"tunedb schema {SCHEMA_VERSION + 1}"))
    assert all(json.loads(line) for line in first.read_text().splitlines())
    with pytest.raises(StoreSchemaError, match="upgrade tunedb"):
        open_store(tmp_path / "store", create=False)
