"""A table that came after its schema version: stores without it go on as they are, and get it when it is written to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.tunedb.samples import AROUND, WORKLOAD, trial, verdict
from tunedb import open_store
from tunedb.errors import StoreError, UsageError
from tunedb.maintenance.merge import merge
from tunedb.maintenance.migrate import migrate
from tunedb.maintenance.remove import remove
from tunedb.maintenance.repair import repair
from tunedb.maintenance.restore import restore
from tunedb.maintenance.verify import verify
from tunedb.query.best import best
from tunedb.store.writable import check_writable


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as it was before there were verdicts."""
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1)], **AROUND)
    shutil.rmtree(tmp_path / "store" / "verdicts")
    return tmp_path / "store"


def test_a_store_without_verdicts_works(old: Path, tmp_path: Path) -> None:
    with open_store(old, create=False) as store:
        check_writable(store)
        assert store.verdicts() == store.verdicts(WORKLOAD.workload_id) == []
        assert (store.stats().num_trials, store.stats().num_verdicts) == (2, 0)
        assert store.sql("SELECT count(*) FROM verdicts").rows == [(0,)]
        assert best(store, WORKLOAD.workload_id)[0].verdict is None
        store.append([trial(2)])
        assert "verdicts" not in {done.table for done in store.compact()}
        assert verify(store) == []
        with store.table("verdicts") as rows:
            assert rows.read_all().num_rows == 0
        with open_store(tmp_path / "other") as other:
            assert merge(other, store).added == 3
    assert repair(old) == []
    restore(old, 0)
    assert not (old / "verdicts").exists()


def test_the_first_verdict_makes_the_table(old: Path) -> None:
    with open_store(old, create=False) as store, open_store(old, create=False) as reader:
        before = store.version()
        assert reader.verdicts() == []
        store.append_verdicts([verdict(0)])
        assert reader.verdicts() == store.verdicts() == [verdict(0)]
        with open_store(old, as_of=0) as past:
            assert past.verdicts() == []
        store.append([trial(2)])
        assert verify(store) == verify(reader) == []
    assert repair(old) == migrate(old) == []
    restore(old, int(before))
    with open_store(old, create=False) as store:
        assert store.verdicts() == []


def test_the_past_of_a_store_without_verdicts_stays_without(old: Path) -> None:
    with open_store(old, as_of=1) as past, open_store(old) as store:
        store.append_verdicts([verdict(0)])
        assert past.verdicts() == []
        with pytest.raises(UsageError, match="earlier version"):
            past.append_verdicts([verdict(1)])
        assert past.verdicts() == []
        assert past.problems() == []


def test_migrating_makes_the_table(old: Path) -> None:
    assert [done.table for done in migrate(old)] == ["verdicts"]
    assert (old / "verdicts" / "_delta_log").exists()
    assert migrate(old) == []


def test_a_table_that_lost_its_log_is_not_taken_for_one_that_never_was(old: Path) -> None:
    with open_store(old) as store:
        store.append_verdicts([verdict(0)])
    shutil.rmtree(old / "verdicts" / "_delta_log")
    with open_store(old) as store, pytest.raises(StoreError, match="tunedb repair"):
        store.verdicts()
    assert repair(old)
    with open_store(old) as store:
        assert store.verdicts() == [verdict(0)]


def test_verdicts_stay_when_their_trials_go(old: Path) -> None:
    with open_store(old) as store:
        store.append_verdicts([verdict(0)])
        remove(old, store.sources()[0].uri)
    with open_store(old) as store:
        assert store.stats().num_trials == 0
        assert store.verdicts() == [verdict(0)]
        assert verify(store) == []


def test_an_object_store_without_verdicts_works(bucket: Bucket) -> None:
    import boto3

    with open_store(bucket.url, storage_options=bucket.options) as store:
        store.append([trial(0)], **AROUND)
    name, options = bucket.url.split("/")[2], bucket.options
    objects = boto3.resource(
        "s3",
        endpoint_url=options["AWS_ENDPOINT_URL"],
        region_name=options["AWS_REGION"],
        aws_access_key_id=options["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=options["AWS_SECRET_ACCESS_KEY"],
    ).Bucket(name)
    assert objects.objects.filter(Prefix="store/verdicts/").delete()
    with open_store(bucket.url, storage_options=bucket.options) as store:
        assert store.verdicts() == []
        assert store.problems(whole=True) == []
        store.append_verdicts([verdict(0)])
        assert store.verdicts() == [verdict(0)]
