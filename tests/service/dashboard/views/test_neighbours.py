"""Nearest neighbours: the same operator in other sizes, the nearest first."""

from __future__ import annotations

import math

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import neighbours
from tests.tunedb.samples import WORKLOAD
from tunedb import Store


def test_distances_are_mean_log_ratios(logs: Store) -> None:
    matmul = next(row for row in logs.workloads() if row.name == "matmul 1x512x512x512 float32")
    (panel,) = neighbours.VIEW.build(logs, Filters(workload=matmul.workload_id))
    rows = panel.table.to_pylist()
    distances = [row["distance_nats_per_extent"] for row in rows]
    assert distances == sorted(distances)
    by_name = {row["workload"]: row for row in rows}
    near = by_name["matmul 1x128x128x128 float32"]
    assert near["distance_nats_per_extent"] == pytest.approx(3 * math.log(4) / 4)
    assert near["trials"] == 128
    assert all(name.startswith("matmul") for name in by_name)
    assert rows[0]["workload"] in panel.summary


def test_a_workload_without_neighbours_says_so(runs: Store) -> None:
    (panel,) = neighbours.VIEW.build(runs, Filters(workload=WORKLOAD.workload_id))
    assert panel.summary == "No other workload of the store is a matmul of 3 extents."
