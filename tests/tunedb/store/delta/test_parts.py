"""Trials in parts: what is asked for piece by piece is what is asked for at once."""

from __future__ import annotations

import dataclasses
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunedb import samples
from tests.tunedb.samples import AROUND, SOURCE, trial
from tunedb import open_store
from tunedb.maintenance.merge import merge
from tunedb.store.delta import known_trials, trial_stream
from tunedb.store.delta.parts import Part, parts_of
from tunedb.store.delta.store import DeltaStore


def _holds(part: Part, workload: str, source: str, position: int) -> bool:
    values = list(part.values)
    if part.is_whole:
        return values[0] <= workload <= values[1]
    within = workload == values[0] and values[1] <= source <= values[2]
    return within and (len(values) == 3 or values[3] <= position <= values[4])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 40)), max_size=120))
def test_every_trial_is_in_one_part_and_in_order(rows: list[tuple[str, str, int]]) -> None:
    rows.sort()
    counted = [(*key, len(list(group))) for key, group in groupby(rows, key=lambda row: row[:2])]

    def positions(workload: str, source: str) -> tuple[int, int]:
        found = [row[2] for row in rows if row[:2] == (workload, source)]
        return min(found), max(found)

    parts = list(parts_of(counted, positions, size=4))
    found = [row for part in parts for row in rows if _holds(part, *row)]
    assert found == rows
    for part in parts:
        held = {row for row in rows if _holds(part, *row)}
        if part.is_whole:
            assert len({row[0] for row in held}) == 1 or sum(_holds(part, *row) for row in rows) <= 8
        assert {row[0] for row in held} <= {row[0] for row in rows if part.workloads[0] <= row[0] <= part.workloads[1]}


def _store(folder: Path) -> None:
    """Three workloads of two sources; some trials stand twice, once in each source."""
    other = dataclasses.replace(SOURCE, source_id="f" * 32, uri="other")
    rows = [samples.workload(f"workload-{number}") for number in range(3)]
    around: dict[str, Any] = {**AROUND, "workloads": rows, "modules": [], "sources": [SOURCE, other]}
    with open_store(folder) as store:
        for number in range(60):
            workload = rows[number % 3 if number < 30 else 0]
            given = {"workload_id": workload.workload_id, "module_id": "", "position": number % 25}
            source = (SOURCE, other)[number % 7 > 4]
            store.append([trial(number, source_id=source.source_id, **given)], **around)
    with open_store(folder) as first, open_store(folder) as second:
        assert isinstance(first, DeltaStore)
        assert isinstance(second, DeltaStore)
        known = second._appender._known_trials.among
        second._appender._known_trials.among = lambda ids, _: set()  # type: ignore[method-assign]
        for number in range(0, 60, 9):  # by a process that did not see them yet
            workload = rows[number % 3 if number < 30 else 0]
            given = {"workload_id": workload.workload_id, "module_id": "", "position": 3}
            second.append([trial(number, source_id=other.source_id, **given)])
        second._appender._known_trials.among = known  # type: ignore[method-assign]


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_small_parts_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    _store(tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        whole = [dataclasses.replace(row) for row in store.trials()]
        assert len(whole) == 60
        monkeypatch.setattr(trial_stream, "parts_of", partial(parts_of, size=size))
        monkeypatch.setattr(trial_stream, "_SLICE_ROWS", 7)
        assert list(store.trials()) == whole
        some = whole[0].workload_id
        assert list(store.trials(some)) == [row for row in whole if row.workload_id == some]
        with store.flat_trials() as stream:
            assert sorted(stream.read_all().column("trial_id").to_pylist()) == sorted(row.trial_id for row in whole)


def test_a_merge_of_more_than_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _store(tmp_path / "store")
    monkeypatch.setattr(known_trials, "_REMEMBERED", 10)
    with open_store(tmp_path / "store") as store, open_store(tmp_path / "into") as into:
        assert merge(into, store).added == 60
        again = merge(into, store)
        assert (again.added, again.duplicates) == (0, 60)
        assert len(list(into.trials())) == 60
