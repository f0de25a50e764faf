"""Correctness: the verdict that holds of each schedule, and the fastest records that have none."""

from __future__ import annotations

import math

from service.dashboard.panel import Filters
from service.dashboard.views import correctness
from tests.service.dashboard.views.conftest import named
from tests.tunedb.samples import TARGET, WORKLOAD, verdict
from tunedb import Store


def test_verdicts_are_those_that_hold(runs: Store) -> None:
    runs.append_verdicts(
        [
            verdict(12),  # of the fastest
            verdict(10, deviation=0.5),
            verdict(10, deviation=1e-7, day=1),  # the same release found otherwise, later
            verdict(20, deviation=math.inf),
            verdict(21, magnitude=0.0, deviation=0.0),
        ]
    )
    panels = correctness.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id))
    panel = named(panels, "verdicts")
    rows = panel.table.to_pylist()
    assert [row["verdict"] for row in rows] == ["wrong", "nothing found out", "agrees", "agrees"]
    assert rows[0]["deviation"] == math.inf
    assert {row["comparisons"] for row in rows} == {1, 2}
    assert rows[2]["times_as_fast_as_untuned"] == 2.0
    assert panel.summary.startswith("4 schedules compared: 2 agree, 1 wrong, 1 where nothing was found out.")
    assert panel.chart is not None
    (best,) = named(panels, "fastest").table.to_pylist()
    assert (best["verdict"], best["target"]) == ("agrees", "llvm znver5 1 core")


def test_records_that_were_never_compared_are_counted(logs: Store) -> None:
    panels = correctness.VIEW.build(logs, Filters())
    assert "No schedule was compared" in named(panels, "verdicts").summary
    fastest = named(panels, "fastest")
    assert fastest.table.num_rows == 14
    assert set(fastest.table.column("verdict").to_pylist()) == {"never compared"}
    best = {row.name: row.best_secs for row in logs.workloads()}
    assert {row["workload"]: row["latency_secs"] for row in fastest.table.to_pylist()} == best


def test_filters_narrow_it(runs: Store) -> None:
    panels = correctness.VIEW.build(runs, Filters(target=TARGET.target_id))
    assert named(panels, "fastest").table.num_rows == 2
