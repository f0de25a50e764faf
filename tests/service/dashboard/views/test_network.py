"""A network by its tasks: shares by hand, and the roofline of real programs below kernels of known speed."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import network
from tests.service.dashboard.views.conftest import HARMED, START, WARM, kernel, named, run_source
from tests.tunedb.samples import WORKLOAD
from tunedb import Store, open_store
from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.records import Workload

PEAK, BANDWIDTH = 200e9, 40e9


def test_shares_are_calls_times_latency(runs: Store) -> None:
    panels = network.VIEW.build(runs, Filters(run=WARM.uri))
    panel = named(panels, "share")
    rows = {row["workload_hash"]: row for row in panel.table.to_pylist()}
    assert rows[WORKLOAD.workload_id]["share"] == pytest.approx(3e-3 / 8e-3)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1.0)
    assert (rows[WORKLOAD.workload_id]["trials"], rows[WORKLOAD.workload_id]["failed"]) == (3, 1)
    assert rows[WORKLOAD.workload_id]["before_secs"] == pytest.approx(2e-3)
    assert "2 tasks take 8 ms together" in panel.summary
    assert any("1 failed trial of 4" in note for note in panel.notes)
    assert "There is no roofline" in named(panels, "roofline").summary  # its programs are made up


def test_a_run_that_made_nothing_faster_counts_what_was_known(runs: Store) -> None:
    (row,) = named(network.VIEW.build(runs, Filters(run=HARMED.uri)), "share").table.to_pylist()
    assert row["latency_secs"] == pytest.approx(1e-3)


def test_gain_fades_with_batches(runs: Store) -> None:
    panel = named(network.VIEW.build(runs, Filters(run=WARM.uri)), "gain")
    rows = {row["task"]: row for row in panel.table.to_pylist()}
    fresh = rows["conv2d 1x128x128 float32"]  # one trial: less than a batch
    assert fresh["next_batch_may_save_share_of_network"] == pytest.approx(5 / 8 * -math.expm1(-0.3))
    known = rows[WORKLOAD.name]  # three trials of its own, and four before
    assert known["next_batch_may_save_share_of_network"] == pytest.approx(3 / 8 * -math.expm1(-0.3 / (7 / 4)))
    assert "A trial took 10 s in the median" in panel.summary


@pytest.mark.tvm
def test_the_roofline_of_real_programs(logs: Store) -> None:
    run = run_source("ee55", 0, "none")
    chosen = [row for row in logs.workloads() if row.name == "matmul 1x512x512x512 float32"]
    trials = [
        dataclasses.replace(one, source_id=run.source_id, position=place, measured_at=START + timedelta(seconds=place))
        for row in chosen
        for place, one in enumerate(logs.best(row.workload_id, limit=3))
    ]
    first = trials[0]
    kernels = [
        dataclasses.replace(one, target_id=first.target_id, hardware_id=first.hardware_id, source_id=run.source_id)
        for one in (
            kernel(0, ARITHMETIC.work / PEAK, START),
            kernel(1, MEMORY.work / BANDWIDTH, START, MEMORY.workload_id),
        )
    ]
    with open_store("memory:") as store:
        store.append(
            [*trials, *kernels],
            workloads=[
                *(logs.workload(row.workload_id) for row in chosen),
                *(Workload(one.workload_id, "kernel", "matmul", "", one.extents, "") for one in (ARITHMETIC, MEMORY)),
            ],
            modules=[logs.module(first.module_id)],
            targets=logs.targets(),
            hardware=logs.hardware(),
            sources=[run],
        )
        panels = network.VIEW.build(store, Filters(run="last"))
    (row,) = named(panels, "roofline").table.to_pylist()
    flop, moved = 2 * 512**3, 3 * 4 * 512**2
    assert row["flop_per_byte"] == pytest.approx(flop / moved, rel=0.01)
    assert row["gflop_per_sec"] == pytest.approx(flop / min(first.run_secs) / 1e9, rel=0.05)
    assert row["roof_gflop_per_sec"] == pytest.approx(min(PEAK, flop / moved * BANDWIDTH) / 1e9)
    gain = named(panels, "gain").table.to_pylist()[0]
    assert gain["share_of_roof"] == pytest.approx(row["share_of_roof"])
    assert gain["above_roof_share_of_network"] == pytest.approx(1 - row["share_of_roof"])
