"""Hardware side by side: one workload everywhere, and two targets over what both have."""

from __future__ import annotations

import dataclasses

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import hardware
from tests.service.dashboard.views.conftest import OTHER, named, other
from tests.tunedb.samples import OTHER_TARGET, TARGET, WORKLOAD, failed, trial
from tunedb import Store


def with_other_target(store: Store) -> Store:
    on = {"target_id": OTHER_TARGET.target_id}
    trials = [trial(40, secs=4e-3, **on), dataclasses.replace(failed(41), target_id=OTHER_TARGET.target_id)]
    conv = dataclasses.replace(other(42, 2.5e-3), trial_id="f" * 32, target_id=OTHER_TARGET.target_id)
    store.append([*trials, conv], targets=[OTHER_TARGET])
    return store


def test_one_workload_on_every_target(runs: Store) -> None:
    panels = hardware.VIEW.build(with_other_target(runs), Filters(workload=WORKLOAD.workload_id))
    panel = named(panels, "everywhere")
    rows = panel.table.to_pylist()
    assert [(row["target_id"], row["latency_secs"], row["ratio_to_fastest"]) for row in rows] == [
        (TARGET.target_id, pytest.approx(1e-3), 1.0),
        (OTHER_TARGET.target_id, pytest.approx(4e-3), pytest.approx(4.0)),
    ]
    assert "takes 4.00 times as long" in panel.summary
    assert "Set the target" in named(panels, "pair").summary


def test_two_targets_by_what_both_have(runs: Store) -> None:
    filters = Filters(target=TARGET.target_id, other=OTHER_TARGET.target_id)
    panel = named(hardware.VIEW.build(with_other_target(runs), filters), "pair")
    rows = {row["workload_hash"]: row for row in panel.table.to_pylist()}
    assert rows[WORKLOAD.workload_id]["ratio_other_to_this"] == pytest.approx(4.0)
    assert rows[OTHER.workload_id]["ratio_other_to_this"] == pytest.approx(0.5)
    assert rows[WORKLOAD.workload_id]["others_trials"] == 1  # the failed one does not count
    assert "is faster on 1" in panel.summary
    assert "1.41 times as long in the geometric mean" in panel.summary


def test_a_target_beside_itself_is_told_of(runs: Store) -> None:
    filters = Filters(target=TARGET.target_id, other=TARGET.target_id)
    assert named(hardware.VIEW.build(runs, filters), "pair").summary == "The two targets are one."
