"""Intervals: those of the one definition of a latency, and what ties with the best."""

from __future__ import annotations

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import intervals
from tests.service.dashboard.views.conftest import named
from tests.tunedb.samples import WORKLOAD
from tunedb import Store
from tunedb.query.estimates import estimate


def test_the_best_has_the_interval_of_its_passes(runs: Store) -> None:
    panels = intervals.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id))
    (row,) = named(panels, "best").table.to_pylist()
    expected = estimate([[1e-3]])
    assert (row["latency_secs"], row["low_secs"], row["high_secs"]) == pytest.approx(
        (expected.secs, expected.low_secs, expected.high_secs)
    )
    assert "the best is 1 ms" in named(panels, "best").summary
    assert named(panels, "drift-arithmetic").table.num_rows == 3


def test_ties_are_told_from_slower_ones(runs: Store) -> None:
    panel = named(intervals.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id)), "ties")
    rows = panel.table.to_pylist()
    assert [row["latency_secs"] for row in rows] == pytest.approx([1e-3, 2e-3, 2.02e-3, 4e-3, 6e-3, 8e-3, 18e-3, 20e-3])
    assert [row["ties_with_best"] for row in rows] == [True] + [False] * 7
    assert "0 schedules besides cannot be told from it" in panel.summary
    assert any("1 failed trial of 9" in note for note in panel.notes)


def test_real_logs(logs: Store) -> None:
    best = max(logs.workloads(), key=lambda row: row.num_failed)
    panels = intervals.VIEW.build(logs, Filters(workload=best.workload_id))
    (pool,) = logs.pool_summaries([best.workload_id])
    (row,) = named(panels, "best").table.to_pylist()
    assert row["latency_secs"] == pytest.approx(pool.best_secs)
    assert row["record_id"] == pool.best_trial_id
    first = named(panels, "ties").table.to_pylist()[0]
    assert first["latency_secs"] == pytest.approx(pool.best_secs)
