"""How far a run is, by the clock: what it may make, its pace, when it is done, and when it has fallen silent."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from search.funnels import TaskFunnel
from service.dashboard.panel import Filters
from service.dashboard.views import history, network
from service.dashboard.views.progress import progress_of
from tests.service.dashboard.views.conftest import START, named, of, run_source
from tests.tunedb.samples import AROUND, WORKLOAD, trial
from tunedb import Store
from tunedb.query.runs import TuningRun, read_run


def run_of(store: Store, name: str, number: int, **detail: object) -> TuningRun:
    """A run with a trial every ten seconds."""
    told = run_source(name, 0, "none", **detail)
    made = [of(told, place, trial(1000 * len(name) + place, secs=1e-3)) for place in range(number)]
    store.append(made, **{**AROUND, "sources": [told]})
    return read_run(store, told)


def test_the_rest_takes_what_trials_took(empty: Store) -> None:
    run = run_of(empty, "feed", 4, trials=10)
    found = progress_of(run, START + timedelta(seconds=45))
    assert (found.state, found.trials, found.most_trials) == ("running", 4, 10)
    assert found.secs_per_trial == pytest.approx(10.0)
    assert found.left_secs == pytest.approx(6 * 10 - 5)
    assert found.ends_at == START + timedelta(seconds=100)
    assert found.text == "4 of 10 trials; about 55.0 s left, until 12:01:40 UTC."


def test_whichever_ends_first_counts(empty: Store) -> None:
    run = run_of(empty, "feed", 4, trials=1000, limit_secs=60.0)
    assert progress_of(run, START + timedelta(seconds=45)).left_secs == pytest.approx(15.0)


def test_a_run_is_done_by_its_trials_or_by_its_word(empty: Store) -> None:
    run = run_of(empty, "feed", 4, trials=4)
    assert progress_of(run, START + timedelta(seconds=41)).text == "Done: 4 of 4 trials in 40.0 s."
    other = run_of(empty, "beefed", 3, trials=10)
    assert progress_of(other, START + timedelta(seconds=31), is_over=True).text == "Done: 3 of 10 trials in 30.0 s."


def test_a_silent_run_has_ended(empty: Store) -> None:
    run = run_of(empty, "feed", 4, trials=10)
    assert progress_of(run, START + timedelta(seconds=40 + 290)).state == "running"  # 30 trials' time
    found = progress_of(run, START + timedelta(seconds=40 + 310))
    assert (found.state, found.left_secs) == ("ended", None)
    assert "has ended" in found.text


def test_a_run_of_an_older_release_does_not_say_how_many(empty: Store) -> None:
    found = progress_of(run_of(empty, "feed", 2), START + timedelta(seconds=25))
    assert (found.most_trials, found.left_secs) == (None, None)
    assert found.text == "2 trials so far; the run does not say how many it may make."
    odd = progress_of(run_of(empty, "beefed", 2, trials="many", limit_secs=-1), START + timedelta(seconds=25))
    assert (odd.most_trials, odd.left_secs) == (None, None)


def test_both_views_of_a_run_begin_with_it(empty: Store) -> None:
    run = run_of(empty, "feed", 4, trials=10, machine={"processors": "0", "cores": 1, "nodes": "0"})
    funnel = TaskFunnel(name="a", workload_hash=WORKLOAD.workload_id, built=4, ran=4)
    empty.artifacts.write(f"runs/{run.source.source_id}.json", msgspec.json.encode([funnel]))
    for view in (history.VIEW, network.VIEW):
        panel = named(view.build(empty, Filters(run="feed")), "progress")
        assert panel.summary == "Done: 4 of 10 trials in 40.0 s."
        assert panel.notes[0] == "Processors: 0 on 1 core; NUMA node 0."
