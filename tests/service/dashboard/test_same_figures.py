"""What pages say is what the command line prints for the same question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.dashboard.panel import Filters
from service.dashboard.registry import view_named
from tests.cli.conftest import logs, run, run_json
from tests.cli.conftest import store as folder
from tunedb import Store, open_store
from tunedb.program.targets import target_label

__all__ = ["folder", "logs", "run", "run_json"]  # fixtures

Tunedb = Callable[..., dict[str, Any]]


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """Three workloads, two of which were measured for two targets."""
    with open_store(folder) as made:
        yield made


def rows(store: Store, view: str, panel: str, **filters: str) -> list[dict[str, Any]]:
    """The table of a panel."""
    panels = view_named(view).build(store, Filters.parse(filters.items()))
    return next(one.table.to_pylist() for one in panels if one.name == panel)


def test_the_best(store: Store, folder: Path, run_json: Tunedb) -> None:
    for workload in store.workloads():
        for shown in rows(store, "history", "best", workload=workload.workload_id):
            target = next(row.target_id for row in store.targets() if target_label(row) == shown["target"])
            (told,) = run_json("best", workload.workload_id, "--target", target, "--store", folder)["results"]
            assert (shown["record_id"], shown["latency_secs"]) == (told["record_id"], told["estimate_secs"])
    fastest = {row["record_id"] for row in rows(store, "correctness", "fastest")}
    told = run_json("compare", "--store", folder)["results"]  # of workloads that were measured in two places
    assert len(told) == 4 and {row["record_id"] for row in told} <= fastest and len(fastest) == 5


def test_history(store: Store, folder: Path, run_json: Tunedb) -> None:
    for workload in store.workloads():
        told = run_json("history", workload.workload_id, "--store", folder)["sources"]
        shown: dict[str, list[tuple[int, float]]] = {}
        for row in rows(store, "history", "trials", workload=workload.workload_id):
            shown.setdefault(row["series"], []).append((row["trials"], row["best_secs"]))
        curves = sorted(points[:-1] for points in shown.values())  # the last says until when the best was that
        assert curves == sorted(
            [(row["trial"], row["estimate_secs"]) for row in source["improvements"]] for source in told
        )
        assert sorted(points[-1][0] for points in shown.values()) == sorted(source["trials"] for source in told)


def test_compare(store: Store, folder: Path, run_json: Tunedb) -> None:
    for workload in store.workloads():
        told = run_json("compare", workload.workload_id, "--store", folder)["results"]
        shown = rows(store, "hardware", "everywhere", workload=workload.workload_id)
        assert sorted(row["ratio_to_fastest"] for row in shown) == pytest.approx(sorted(row["ratio"] for row in told))
        assert sorted(row["latency_secs"] for row in shown) == sorted(row["estimate_secs"] for row in told)


def test_coverage(store: Store, folder: Path, run_json: Tunedb) -> None:
    cells = rows(store, "coverage", "workloads")
    workloads = {row["workload_hash"]: row for row in run_json("workloads", "--store", folder)["workloads"]}
    for workload_id, told in workloads.items():
        mine = [cell for cell in cells if cell["workload_hash"] == workload_id]
        assert sum(cell["trials"] for cell in mine) == told["trials"]
        assert sum(cell["failed"] for cell in mine) == told["failed"]
        assert len(mine) == told["targets"]
    targets = run_json("targets", "--store", folder)["targets"]
    places = rows(store, "overview", "targets")
    assert sorted((row["target_id"], row["workloads"], row["trials"], row["failed"]) for row in places) == sorted(
        (row["target_id"], row["workloads"], row["trials"], row["failed"]) for row in targets
    )
    stats = run_json("stats", "--store", folder)
    (counts,) = rows(store, "overview", "counts")
    assert (counts["trials"], counts["failed"]) == (stats["trials"], stats["failed"])
