"""Stores that views are tested on: real logs, runs of known figures, and one that is empty."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.dashboard.panel import Panel
from tests.tunedb.samples import AROUND, WORKLOAD, failed, module, trial, workload
from tunedb import Store, open_store
from tunedb.identity import source
from tunedb.ingest.pipeline import ingest
from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.records import Outcome, Source, Trial, Workload

LOGS = Path(__file__).parents[4] / "data/metaschedule/x86-64-v3-1core.tar.xz"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
OTHER = workload("conv2d")
OTHER_MODULE = module(OTHER)


@pytest.fixture(scope="session")
def logs() -> Iterator[Store]:
    """Real trials: 14 workloads for one target, two of whose trials failed."""
    with open_store("memory:") as store:
        ingest(store, [LOGS])
        yield store


@pytest.fixture
def empty() -> Iterator[Store]:
    with open_store("memory:") as store:
        yield store


def run_source(name: str, minutes: int, prior: str, **detail: object) -> Source:
    made = source(f"tune:{name}", "tune", {"strategy": "bo", "seed": 0, "prior": prior, **detail})
    return dataclasses.replace(made, added_at=START + timedelta(minutes=minutes))


COLD = run_source("cc00", 0, "none")
WARM = run_source("aa11", 10, "a model", weights={WORKLOAD.workload_id: 3.0, OTHER.workload_id: 1.0})
HARMED = run_source("bb22", 20, "a model")


def of(run: Source, place: int, one: Trial) -> Trial:
    at = run.added_at
    assert at is not None
    at += timedelta(seconds=10 * (place + 1))
    return dataclasses.replace(one, source_id=run.source_id, position=place, measured_at=at)


def kernel(number: int, secs: float, at: datetime, which: str = ARITHMETIC.workload_id) -> Trial:
    """A trial of a reference kernel."""
    made = trial(number, run_secs=(secs, 2 * secs), workload_id=which, module_id="")
    return dataclasses.replace(made, source_id=COLD.source_id, measured_at=at)


def other(number: int, secs: float) -> Trial:
    return trial(number, secs=secs, workload_id=OTHER.workload_id, module_id=OTHER_MODULE.module_id)


@pytest.fixture
def runs() -> Iterator[Store]:
    """A cold run, one that memory helped, one that it harmed, and reference kernels beside them."""
    kernels = [Workload(one.workload_id, "kernel", "matmul", "", one.extents, "") for one in (ARITHMETIC, MEMORY)]
    with open_store("memory:") as store:
        store.append([], **AROUND)
        store.append(
            [of(COLD, place, trial(place, secs=secs)) for place, secs in enumerate((8e-3, 6e-3, 4e-3, 2e-3))],
            sources=[COLD],
        )
        store.append(
            [
                of(WARM, 0, trial(10, secs=2.02e-3)),
                of(WARM, 1, failed(11, Outcome.RUN_TIMEOUT, "too slow")),
                of(WARM, 2, trial(12, secs=1e-3)),
                of(WARM, 3, other(13, 5e-3)),
            ],
            sources=[WARM],
            workloads=[OTHER],
            modules=[OTHER_MODULE],
        )
        store.append([of(HARMED, 0, trial(20, secs=20e-3)), of(HARMED, 1, trial(21, secs=18e-3))], sources=[HARMED])
        store.append(
            [
                kernel(0, ARITHMETIC.work / 100e9, START),
                kernel(1, ARITHMETIC.work / 100e9, START + timedelta(days=7)),
                kernel(2, ARITHMETIC.work / 50e9, START + timedelta(days=14)),
                kernel(3, MEMORY.work / 10e9, START, MEMORY.workload_id),
            ],
            workloads=kernels,
        )
        yield store


def named(panels: list[Panel], name: str) -> Panel:
    """The one panel of a name."""
    (found,) = (panel for panel in panels if panel.name == name)
    return found
