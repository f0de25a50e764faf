"""The difference of two schedules; and that no trace from elsewhere is replayed for it."""

from __future__ import annotations

import dataclasses

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import schedules
from tests.service.dashboard.views.conftest import START, named
from tests.tunedb.samples import WORKLOAD, trial
from tunedb import Store, open_store
from tunedb.identity import source, trial_id
from tunedb.machine.hardware import this_machine
from tunedb.records import Delivery, Trial
from tunedb.store.batch import Batch


def best_two(store: Store, name: str) -> list[Trial]:
    workload = next(row for row in store.workloads() if row.name == name)
    return store.best(workload.workload_id, limit=2)


def test_decisions_that_differ(runs: Store) -> None:
    one, other = trial(3, secs=2e-3), trial(12, secs=1e-3)
    panels = schedules.VIEW.build(runs, Filters(workload=one.trial_id, other=other.trial_id[:12]))
    (row,) = named(panels, "decisions").table.to_pylist()
    assert (row["first"], row["second"], row["differs"]) == ("3 x 1 x 1 x 1", "12 x 1 x 1 x 1", True)
    assert "differ in 1 of 1 decision" in named(panels, "decisions").summary
    lines = named(panels, "instructions").table.to_pylist()
    assert [(line["mark"], line["text"].split("-> ")[1]) for line in lines] == [
        ("-", "[3, 1, 1, 1]"),
        ("+", "[12, 1, 1, 1]"),
    ]
    assert "of 4 and 4 instructions" in named(panels, "instructions").summary.lower()


def test_a_workload_stands_for_its_two_best(logs: Store) -> None:
    first, second = best_two(logs, "matmul 1x512x512x512 float32")
    panels = schedules.VIEW.build(logs, Filters(workload=first.workload_id))
    summary = named(panels, "decisions").summary
    assert summary.startswith(first.trial_id[:10])
    assert second.trial_id[:10] in summary
    against = schedules.VIEW.build(logs, Filters(workload=first.workload_id, other=second.trial_id))
    assert named(against, "decisions").table == named(panels, "decisions").table
    record = schedules.VIEW.build(logs, Filters(workload=second.trial_id))
    assert named(record, "decisions").summary.startswith(second.trial_id[:10])


def test_equal_records_do_not_differ(logs: Store) -> None:
    first, _ = best_two(logs, "matmul 1x512x512x512 float32")
    panels = schedules.VIEW.build(logs, Filters(workload=first.trial_id, other=first.trial_id))
    assert "differ in 0 of 5 decisions" in named(panels, "decisions").summary
    assert named(panels, "decisions").chart is None
    assert named(panels, "instructions").table.num_rows == 0


def rebuilt(logs: Store, *, format_: str = "tune", here: bool = True, sender: str = "") -> tuple[Store, list[Trial]]:
    """The two best of a real workload as if another source had brought them."""
    machine = this_machine()
    of = dataclasses.replace(source("tune:abcd", format_), added_at=START)
    trials = []
    for one in best_two(logs, "matmul 1x512x512x512 float32"):
        moved = dataclasses.replace(
            one,
            source_id=of.source_id,
            hardware_id=machine.hardware_id if here else one.hardware_id,
            first_hardware_id="",
        )
        names = ("workload_id", "module_id", "target_id", "hardware_id", "trace", "run_secs", "outcome", "conditions")
        trials.append(dataclasses.replace(moved, trial_id=trial_id(**{name: getattr(moved, name) for name in names})))
    store = open_store("memory:")
    store.append(
        trials,
        workloads=[logs.workload(trials[0].workload_id)],
        modules=[logs.module(trials[0].module_id)],
        targets=logs.targets(),
        hardware=[*logs.hardware(), machine],
        sources=[of],
    )
    if sender:
        store.append_batch(Batch(deliveries=[Delivery(of.source_id, sender, START)]))
    return store, trials


@pytest.mark.tvm
def test_what_this_machine_measured_has_its_script(logs: Store) -> None:
    store, (first, second) = rebuilt(logs)
    with store:
        panel = named(schedules.VIEW.build(store, Filters(workload=first.trial_id, other=second.trial_id)), "script")
        rows = panel.table.to_pylist()
    assert any("def main" in row["text"] and row["mark"] == " " for row in rows)
    assert {row["mark"] for row in rows} == {" ", "-", "+"}
    assert "replayed in a child process" in panel.notes[0]


@pytest.mark.parametrize("changes", [{"format_": "metaschedule-json"}, {"here": False}, {"sender": "somebody"}])
def test_what_came_from_elsewhere_is_never_replayed(
    logs: Store, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replay(*_: object) -> list[str]:
        pytest.fail("a foreign trace was replayed")

    monkeypatch.setattr(schedules, "_replayed", replay)
    store, (first, second) = rebuilt(logs, **changes)  # type: ignore[arg-type]
    with store:
        panel = named(schedules.VIEW.build(store, Filters(workload=first.trial_id, other=second.trial_id)), "script")
    assert "never replayed" in panel.summary
    assert panel.table.num_rows == 0


def test_one_schedule_alone_is_told_of(runs: Store) -> None:
    from tests.service.dashboard.views.conftest import OTHER

    for panel in schedules.VIEW.build(runs, Filters(workload=OTHER.workload_id)):
        assert "no two schedules" in panel.summary
    assert WORKLOAD.workload_id != OTHER.workload_id
