"""What a page says of a run's machine: what was stored at its end, or at its beginning, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from search.pages.surroundings import machine_facts
from tests.tunedb.samples import AROUND, trial
from tunedb import Store, open_store
from tunedb.identity import source
from tunedb.query.runs import TuningRun, read_run

ENDED = {
    "processors": "0-3",
    "cores": 2,
    "nodes": "0-1",
    "stolen": 0.05,
    "kernel_times_its_best": 1.31,
    "busy_before": ["load average 3.0 on 4 processors"],
    "busy_during": ["the host gave 5% of the processors' time to other machines"],
}


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("memory:") as made:
        yield made


def run_with(store: Store, machine: object = None) -> TuningRun:
    told = source("tune:feed", "tune", {} if machine is None else {"machine": machine})
    store.append([trial(0, source_id=told.source_id)], **{**AROUND, "sources": [told]})
    return read_run(store, told)


def keep(store: Store, run: TuningRun, content: bytes) -> None:
    store.artifacts.write(f"runs/{run.source.source_id}-machine.json", content)


def test_what_was_stored_at_the_end_is_told_whole(store: Store) -> None:
    run = run_with(store, {"processors": "0-3", "cores": 4, "nodes": "0"})
    keep(store, run, msgspec.json.encode(ENDED))
    facts = dict(machine_facts(store, run))
    assert facts["processors"].startswith("0-3 on 2 cores: some are threads of one core (SMT); NUMA nodes 0-1: memory")
    assert facts["how the machine was"] == (
        "busy before: load average 3.0 on 4 processors. "
        "busy during: the host gave 5% of the processors' time to other machines"
    )


def test_of_a_run_that_goes_on_there_is_its_beginning(store: Store) -> None:
    run = run_with(store, {"processors": "0", "cores": 1, "nodes": "0", "load_average": 0.25})
    facts = dict(machine_facts(store, run))
    assert facts["processors"] == "0 on 1 core; NUMA node 0"
    assert facts["how the machine was"].startswith("load average 0.2 at the beginning")


def test_a_quiet_machine_is_called_quiet(store: Store) -> None:
    run = run_with(store)
    keep(store, run, msgspec.json.encode({**ENDED, "busy_before": [], "busy_during": []}))
    assert "no sign that it was busy" in dict(machine_facts(store, run))["how the machine was"]
    assert "1.31 times its best" in dict(machine_facts(store, run))["how the machine was"]


def test_runs_of_old_say_nothing(store: Store) -> None:
    assert machine_facts(store, run_with(store)) == ()


@pytest.mark.parametrize(
    "machine",
    [
        {"processors": "0-99999999999", "cores": "many", "nodes": [1], "load_average": "high"},
        {"processors": 7, "cores": None, "nodes": None, "busy_before": "yes", "busy_during": 3},
        {},
    ],
)
def test_what_makes_no_sense_costs_nothing(store: Store, machine: object) -> None:
    assert len(machine_facts(store, run_with(store, machine))) == 2


def test_what_is_broken_is_said(store: Store) -> None:
    run = run_with(store)
    keep(store, run, b"{")
    ((name, told),) = machine_facts(store, run)
    assert name == "how the machine was" and told.startswith("cannot be read")
