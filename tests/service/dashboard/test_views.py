"""What views count and draw, on a store in memory whose figures are known."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from search.funnels import TaskFunnel
from service.dashboard import drawing, files
from service.dashboard.panel import Filters, Panel
from service.dashboard.registry import view_named
from tests.tunedb import samples
from tests.tunedb.samples import AROUND, MACHINE, TARGET, WORKLOAD, failed, trial
from tunedb import Store, open_store
from tunedb.errors import NotFoundError
from tunedb.identity import source
from tunedb.records import Outcome, Source

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[Store]:
    """Two runs of a workload, the second better, and a failed trial in each; a third trial of another machine's log."""
    runs = []
    for number in (1, 2):
        told = source(f"tune:{number}feed", "tune", {"strategy": "bo", "seed": number})
        runs.append(dataclasses.replace(told, added_at=START + timedelta(days=number)))
    first, second = runs
    with open_store("memory:") as made:
        made.append(
            [
                *_trials(first, [4e-3, None, 3e-3, 3.5e-3], 0),
                *_trials(second, [2e-3, 1e-3, None], 10),
            ],
            **{**AROUND, "sources": [*runs, samples.SOURCE]},
        )
        funnel = TaskFunnel(
            name="a", workload_hash=WORKLOAD.workload_id, sampled=900, refused={"X": 100}, valid=800, built=3, ran=2
        )
        made.artifacts.write(f"runs/{second.source_id}.json", msgspec.json.encode([funnel]))
        yield made


def _trials(run: Source, secs: list[float | None], first: int) -> list[Any]:
    assert run.added_at is not None
    found = []
    for position, one in enumerate(secs):
        made = failed(first + position, Outcome.RUN_ERROR) if one is None else trial(first + position, one)
        at = run.added_at + timedelta(seconds=10 * (position + 1))
        found.append(dataclasses.replace(made, source_id=run.source_id, position=position, measured_at=at))
    return found


def panels(store: Store, view: str, **filters: str) -> dict[str, Panel]:
    made = view_named(view).build(store, Filters.parse(filters.items()))
    return {panel.name: panel for panel in made}


def rows(panel: Panel) -> list[dict[str, Any]]:
    return list(panel.table.to_pylist())


def test_the_overview_counts(store: Store) -> None:
    found = panels(store, "overview")
    assert rows(found["counts"]) == [
        {"trials": 7, "failed": 2, "workloads": 1, "targets": 1, "machines": 1, "sources": 2}
    ]
    assert [row["trials"] for row in rows(found["days"])] == [4, 3]
    assert [row["run"] for row in rows(found["runs"])] == ["2feed", "1feed"]
    assert "28.6% failed" in found["counts"].summary
    assert rows(panels(store, "overview", since="2026-11-03")["counts"])[0]["trials"] == 3
    assert "leave no trials" in panels(store, "overview", workload="nosuch")["counts"].summary
    with pytest.raises(NotFoundError):
        panels(store, "overview", target="nosuch")


def test_history_has_improvements_only_and_no_failed_trial(store: Store) -> None:
    found = panels(store, "history", run="1feed")
    assert [(row["trials"], row["elapsed_secs"], row["best_secs"]) for row in rows(found["trials"])] == [
        (1, 10.0, pytest.approx(4e-3)),
        (3, 30.0, pytest.approx(3e-3)),
        (4, 40.0, pytest.approx(3e-3)),
    ]
    assert "1 failed trials" in found["trials"].notes[0]
    both = panels(store, "history", workload=WORKLOAD.workload_id[:8])
    assert {row["series"].split(",")[0] for row in rows(both["time"])} == {"run 1feed", "run 2feed"}
    assert rows(both["best"])[0]["latency_secs"] == pytest.approx(1e-3)
    spec = drawing.specification(both["trials"], "dark")
    drawn = [row["best_secs"] for values in spec["datasets"].values() for row in values]
    assert max(drawn) == pytest.approx(4e-3)  # and no 1e10 of a failed one


def test_runs_are_compared_by_what_both_have(store: Store) -> None:
    found = panels(store, "comparison", run="1feed", other="2feed")
    (row,) = rows(found["ratios"])
    assert row["ratio"] == pytest.approx(1 / 3)
    assert "0.333 times" in found["ratios"].summary
    assert {one["series"] for one in rows(found["trials"])} == {"run 1feed, bo", "run 2feed, bo"}


def test_failures_and_the_funnel(store: Store) -> None:
    found = panels(store, "failures")
    (cause,) = rows(found["causes"])
    assert (cause["cause"], cause["failed"], cause["trials"]) == ("run_error", 2, 7)
    assert [row["candidates"] for row in rows(found["funnel"])] == [900, 800, 3, 2]
    assert rows(found["refused"]) == [{"refused_by": "X", "candidates": 100}]
    assert rows(found["messages"]) == [{"cause": "run_error", "message": "no such register", "trials": 2}]
    none = panels(store, "failures", run="1feed")
    assert rows(none["funnel"]) == [] and rows(none["causes"])[0]["failed"] == 1


def test_coverage_knows_gaps_and_ages(store: Store) -> None:
    other = dataclasses.replace(MACHINE, hardware_id="f" * 32, name="another")
    softmax = samples.workload("softmax")
    module = samples.module(softmax)
    old = trial(30, workload_id=softmax.workload_id, module_id=module.module_id, hardware_id=other.hardware_id)
    store.append([old], workloads=[softmax], modules=[module], hardware=[other], targets=[TARGET])
    found = panels(store, "coverage")
    cells = {(row["family"], row["place"].split(", ", 1)[1]): row for row in rows(found["families"])}
    assert len(cells) == 4
    assert cells[softmax.family, "another"]["workloads"] == 1
    assert cells[softmax.family, "another"]["median_age_days"] is None  # its log has no times
    assert cells[softmax.family, MACHINE.name]["workloads"] == 0
    assert cells[WORKLOAD.family, MACHINE.name]["median_age_days"] > 0
    assert "2 cells have trials, 2 have none" in found["families"].summary
    assert b"NaN" not in msgspec.json.encode(files.document(found["families"]))


def test_a_best_so_far_never_rises_whatever_logs_are_called(store: Store) -> None:
    logs = [
        source(f"{folder}/database_tuning_record.json", "metaschedule-json", {}) for folder in ("a/x", "b/x", "c/y")
    ]
    for number, log in enumerate(logs):
        made = [
            dataclasses.replace(trial(100 * (number + 1) + place, secs), source_id=log.source_id, position=place)
            for place, secs in enumerate((5e-3 / (number + 1), 4e-3 / (number + 1)))
        ]
        store.append(made, **{**AROUND, "sources": [log]})
    curves: dict[str, list[float]] = {}
    for row in rows(panels(store, "history", workload=WORKLOAD.workload_id)["trials"]):
        curves.setdefault(row["series"], []).append(row["best_secs"])
    assert len(curves) == 5
    assert all(later <= earlier for one in curves.values() for earlier, later in itertools.pairwise(one))
    assert {name.split(",")[0] for name in curves} == {"x", "y", "run 1feed", "run 2feed"}
