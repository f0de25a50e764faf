"""A store as it was."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tunedb import samples
from tests.tunedb.samples import AROUND, WORKLOAD, trial
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError


def test_versions_and_times_lead_back(tmp_path: Path) -> None:
    softmax = samples.workload("softmax")
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        first = store.version()
        time.sleep(0.05)
        between = datetime.now(UTC)
        time.sleep(0.05)
        store.append([trial(1, secs=1e-6)], workloads=[softmax])
        newest = store.version()
    for as_of in (first, int(first), between, between.isoformat()):
        with open_store(tmp_path / "store", as_of=as_of) as past:
            assert past.version() == first
            assert [row.name for row in past.workloads()] == [WORKLOAD.name]
            assert past.best(WORKLOAD.workload_id)[0].trial_id == trial(0).trial_id
            assert past.stats().num_trials == 1
            assert past.sql("SELECT count(*) FROM trials").rows == [(1,)]
            assert past.problems() == []
    with open_store(tmp_path / "store", as_of=newest) as now:
        assert now.best(WORKLOAD.workload_id)[0].trial_id == trial(1, secs=1e-6).trial_id


def test_the_past_stays_while_the_store_goes_on(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        with open_store(tmp_path / "store", as_of=store.version()) as past:
            store.append([trial(1)])
            assert len(list(past.trials())) == 1
            with pytest.raises(UsageError, match="the past"):
                past.append([trial(2)], **AROUND)
        assert len(list(store.trials())) == 2


def test_what_was_never_is_not_found(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
    with pytest.raises(NotFoundError, match="no version 99; its newest is 1"):
        open_store(tmp_path / "store", as_of=99)
    with open_store(tmp_path / "store", as_of="2001-01-01") as before:
        assert list(before.trials()) == []
    for nonsense in ("yesterday", "-3", ""):
        with pytest.raises(UsageError):
            open_store(tmp_path / "store", as_of=nonsense)
    with pytest.raises(NotFoundError):
        open_store(tmp_path / "absent", as_of=0)
    assert not (tmp_path / "absent").exists()
