"""A machine's health: what its reference kernels reached, stretch by stretch."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import machines
from tests.service.dashboard.views.conftest import START, named
from tests.tunedb.samples import MACHINE, TARGET
from tunedb import Store
from tunedb.query.machine_health import kernel_speeds


def test_speeds_are_those_of_the_fastest_runs(runs: Store) -> None:
    found = [row for row in kernel_speeds(runs) if row.is_arithmetic]
    assert [row.median_per_sec for row in found] == pytest.approx([100e9, 100e9, 50e9])
    assert {(row.hardware_id, row.target_id) for row in found} == {(MACHINE.hardware_id, TARGET.target_id)}
    assert found[0].step_secs == 6 * 3600  # the shortest that leaves at most 200 in a fortnight
    assert found[0].at <= START < found[0].at + timedelta(seconds=found[0].step_secs)
    (memory,) = (row for row in kernel_speeds(runs) if not row.is_arithmetic)
    assert memory.median_per_sec == pytest.approx(10e9)


def test_filters_narrow_the_speeds(runs: Store) -> None:
    late = kernel_speeds(runs, since=START + timedelta(days=10))
    assert [row.median_per_sec for row in late] == pytest.approx([50e9])
    assert not kernel_speeds(runs, target_id="another")
    assert not kernel_speeds(runs, hardware_ids=[])
    assert len(kernel_speeds(runs, hardware_ids=[MACHINE.hardware_id])) == 4


def test_the_fall_is_told_of(runs: Store) -> None:
    panel = named(machines.VIEW.build(runs, Filters()), "health-arithmetic")
    assert panel.table.column("median_gflop_per_sec").to_pylist() == pytest.approx([100, 100, 50])
    assert panel.table.column("share_of_own_median").to_pylist() == pytest.approx([1, 1, 0.5])
    assert "3 measurements on 1 machine and target" in panel.summary
    assert "reached 50%" in panel.summary
    assert "1 of 3 stretches fell below 90%" in panel.summary


def test_without_kernels_a_store_says_so(logs: Store) -> None:
    for panel in machines.VIEW.build(logs, Filters()):
        assert "No reference kernel was measured" in panel.summary
