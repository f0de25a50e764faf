"""Tuning runs: how they are named, what they measured, and how their best fell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, MODULE, SOURCE, TARGET, WORKLOAD, failed, module, trial, workload
from tunedb import Store, open_store
from tunedb.errors import AmbiguousPrefixError, NotFoundError
from tunedb.identity import source
from tunedb.query.best_so_far import Point, of_network, of_task
from tunedb.query.runs import LAST, read_run, resolve_run, tuning_runs
from tunedb.records import Outcome, Source, Trial

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
OTHER = workload("conv2d")
OTHER_MODULE = module(OTHER)


def run_source(name: str, minutes: int, **detail: object) -> Source:
    made = source(f"tune:{name}", "tune", {"strategy": "bo", "seed": 0, "prior": "none", **detail})
    return dataclasses.replace(made, added_at=START + timedelta(minutes=minutes))


FIRST = run_source("aa11", 0)
SECOND = run_source("aa22", 10, weights={WORKLOAD.workload_id: 3.0, OTHER.workload_id: 1.0, "absent": 2.0})


def of(run: Source, place: int, one: Trial) -> Trial:
    at = run.added_at
    assert at is not None
    return dataclasses.replace(
        one, source_id=run.source_id, position=place, measured_at=at + timedelta(seconds=10 * (place + 1))
    )


def other(number: int, secs: float) -> Trial:
    return trial(number, secs=secs, workload_id=OTHER.workload_id, module_id=OTHER_MODULE.module_id)


@pytest.fixture(params=["memory", "delta"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store("memory:" if request.param == "memory" else tmp_path / "store") as opened:
        earlier = dataclasses.replace(SOURCE, added_at=START - timedelta(days=1))
        opened.append([trial(90, secs=5e-3)], **{**AROUND, "sources": [earlier]})
        opened.append([of(FIRST, 0, trial(0, secs=4e-3))], sources=[FIRST])
        opened.append(
            [
                of(SECOND, 0, trial(1, secs=3e-3)),
                of(SECOND, 1, failed(2, Outcome.RUN_TIMEOUT, "too slow")),
                of(SECOND, 2, other(3, 2e-3)),
                of(SECOND, 3, trial(4, secs=1e-3)),
                of(SECOND, 4, trial(4, secs=1.0001e-3)),  # the same schedule, measured again
            ],
            sources=[SECOND],
            workloads=[OTHER],
            modules=[OTHER_MODULE],
        )
        yield opened


def test_runs_are_named_by_the_beginning_of_their_ids_or_as_the_last(store: Store) -> None:
    assert [run.uri for run in tuning_runs(store)] == ["tune:aa11", "tune:aa22"]
    assert resolve_run(store, LAST).uri == resolve_run(store, "tune:aa2").uri == resolve_run(store, "aa22").uri
    assert resolve_run(store, FIRST.source_id[:8]).uri == "tune:aa11"
    with pytest.raises(AmbiguousPrefixError, match="fits 2 tuning runs: tune:aa11, tune:aa22") as caught:
        resolve_run(store, "aa")
    assert caught.value.matches == ("tune:aa11", "tune:aa22")
    for nothing in ("", "bb", "tune:"):
        with pytest.raises(NotFoundError, match="no tuning run begins with"):
            resolve_run(store, nothing)


def test_a_store_without_runs_says_so() -> None:
    with open_store("memory:") as empty, pytest.raises(NotFoundError, match="the store has no tuning run"):
        resolve_run(empty, LAST)


def test_a_run_says_what_it_measured_and_what_was_known_before(store: Store) -> None:
    run = read_run(store, resolve_run(store, LAST))
    assert (run.target, run.num_trials, run.num_repeats, run.num_tasks) == (TARGET, 4, 1, 3)
    assert dict(run.failures) == {Outcome.RUN_TIMEOUT: 1}
    assert run.elapsed_secs == 40.0
    mine, others = run.tasks
    assert (mine.weight, mine.num_before, mine.before_secs) == (3.0, 2, 4e-3)
    assert mine.best_secs == pytest.approx(1e-3, rel=1e-3)
    assert [(step.number, step.secs) for step in mine.steps] == [(1, 10.0), (2, 20.0), (4, 40.0)]
    assert mine.steps[1].latency_secs is None
    assert (others.name, others.weight, others.num_before, others.before_secs) == (OTHER.name, 1.0, 0, None)


def test_a_run_of_one_task_needs_no_weight(store: Store) -> None:
    run = read_run(store, resolve_run(store, "aa11"))
    assert [task.weight for task in run.tasks] == [1.0]
    assert run.tasks[0].num_before == 1


def test_a_run_without_trials_is_named(store: Store) -> None:
    absent = run_source("ff", 20)
    store.append([], sources=[absent])
    with pytest.raises(NotFoundError, match="tune:ff has no trials"):
        read_run(store, absent)


def test_best_so_far_of_a_task_leaves_failures_out(store: Store) -> None:
    run = read_run(store, resolve_run(store, LAST))
    assert [(point.trials, point.secs) for point in of_task(run.tasks[0])] == [(1, 10.0), (4, 40.0)]


def test_best_so_far_of_a_network_begins_when_each_task_has_a_figure(store: Store) -> None:
    tasks = read_run(store, resolve_run(store, LAST)).tasks
    best = tasks[0].best_secs
    assert best is not None
    weights = {WORKLOAD.workload_id: 3.0, OTHER.workload_id: 1.0}
    points = of_network(tasks, weights)
    assert [(point.trials, point.best_secs) for point in points] == [
        (3, pytest.approx(11e-3)),
        (4, pytest.approx(3 * best + 2e-3)),
    ]
    untuned = {WORKLOAD.workload_id: 2e-3, OTHER.workload_id: 4e-3, "elsewhere": 1.0}
    points = of_network(tasks, weights, untuned)
    assert points[0] == Point(0, 0.0, pytest.approx(10e-3))
    assert [point.trials for point in points] == [0, 3, 4]  # the first trial is slower than TVM's own
    assert of_network(tasks, {**weights, "absent": 1.0}) == []
    assert of_network(tasks, {}) == []
    assert MODULE.workload_id in weights
