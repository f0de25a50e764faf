"""Several writers of the same trials: together they claim what the store gained, and no more."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import deltalake
import pytest

from tests.tunedb.samples import AROUND, failed, trial
from tunedb import open_store
from tunedb.records import Trial
from tunedb.store.delta import compaction, table
from tunedb.store.delta.store import DeltaStore


def interrupted_by(other: DeltaStore, trials: list[Trial], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lets another writer append between the moment when a writer looks and the moment when it commits."""
    reports: list[Any] = []
    write = deltalake.write_deltalake

    def late(delta: deltalake.DeltaTable, *args: Any, **options: Any) -> None:
        if not reports and "/trials" in delta.table_uri:
            reports.append(None)
            reports[0] = other.append(trials, **AROUND)  # type: ignore[arg-type]
        write(delta, *args, **options)

    monkeypatch.setattr(table.deltalake, "write_deltalake", late)
    return reports


@pytest.mark.parametrize("is_compacted", [False, True])
def test_what_another_committed_first_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_compacted: bool
) -> None:
    with DeltaStore(str(tmp_path / "s")) as first, DeltaStore(str(tmp_path / "s")) as second:
        first.append([trial(0)], **AROUND)  # type: ignore[arg-type]
        if is_compacted:  # more than one commit comes between, and files that hold what was known
            monkeypatch.setattr(compaction, "MANY_FILES", 2)
        theirs = interrupted_by(second, [trial(1), failed(2), trial(7)], monkeypatch)
        mine = first.append([trial(0), trial(1), failed(2), trial(3)], **AROUND)  # type: ignore[arg-type]
        assert (theirs[0].added, theirs[0].failed_trials) == (3, 1)
        assert (mine.added, mine.duplicates, mine.failed_trials) == (1, 3, 0)
        assert first.stats().num_trials == 5


def test_others_that_come_later_take_nothing_away(tmp_path: Path) -> None:
    with DeltaStore(str(tmp_path / "s")) as first, DeltaStore(str(tmp_path / "s")) as second:
        assert first.append([trial(0)], **AROUND).added == 1  # type: ignore[arg-type]
        assert second.append([trial(1)], **AROUND).added == 1  # type: ignore[arg-type]
        assert first.append([trial(0), trial(2)], **AROUND).added == 1  # type: ignore[arg-type]


def claims(url: str, start: Any, results: Any) -> None:
    start.wait(60)
    added = 0
    with open_store(url) as store:  # a new one, made by whoever is first
        for batch in range(6):
            trials = [trial(number) for number in range(batch * 10, batch * 10 + 10)]
            added += store.append(trials, **AROUND).added  # type: ignore[arg-type]
    results.put(added)


def test_processes_claim_together_what_the_store_gained(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(3), context.Queue()
    url = str(tmp_path / "s")
    crowd = [context.Process(target=claims, args=(url, start, results)) for _ in range(3)]
    for process in crowd:
        process.start()
    claimed = sum(results.get(timeout=120) for _ in crowd)
    for process in crowd:
        process.join(60)
    with open_store(url, create=False) as store:
        assert store.stats().num_trials == claimed == 60
