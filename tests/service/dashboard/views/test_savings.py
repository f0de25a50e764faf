"""What remembering saved, counted by hand: two warm runs beside one cold run."""

from __future__ import annotations

import pytest

from service.dashboard.panel import Filters
from service.dashboard.views import savings as view
from tests.service.dashboard.views.conftest import COLD, HARMED, WARM, named, of, run_source
from tests.tunedb.samples import WORKLOAD, trial
from tunedb import Store
from tunedb.query.savings import HARM_RATIO, runs_of_tasks, savings


def test_runs_know_what_was_there_before(runs: Store) -> None:
    found = {(one.source.uri, one.workload_id): one for one in runs_of_tasks(runs)}
    assert len(found) == 4
    cold, warm, harmed = (found[run.uri, WORKLOAD.workload_id] for run in (COLD, WARM, HARMED))
    assert (cold.is_cold, warm.is_cold) == (True, False)
    assert (cold.num_before, warm.num_before, harmed.num_before) == (0, 4, 7)
    assert warm.secs == (pytest.approx(2.02e-3), None, pytest.approx(1e-3))


def test_trials_saved_and_harm(runs: Store) -> None:
    worst, best = savings(runs_of_tasks(runs))
    assert (best.warm.source.uri, best.cold_trials, best.warm_trials, best.saved) == (WARM.uri, 4, 1, 3)
    assert best.ratio == pytest.approx(1 / 4)  # after three trials each
    assert not best.is_harm
    assert (worst.warm.source.uri, worst.warm_trials, worst.saved) == (HARMED.uri, None, None)
    assert worst.ratio == pytest.approx(18 / 6)
    assert worst.is_harm
    assert 1.15 < HARM_RATIO < 1.3


def test_a_cold_run_of_the_same_strategy_is_preferred(runs: Store) -> None:
    stock = run_source("dd33", 30, "none", strategy="evolutionary")
    runs.append([of(stock, place, trial(60 + place, secs=1e-4)) for place in range(9)], sources=[stock])
    assert {one.cold.source.uri for one in savings(runs_of_tasks(runs))} == {COLD.uri}


def test_the_panels_say_it(runs: Store) -> None:
    panels = view.VIEW.build(runs, Filters())
    saved = named(panels, "saved")
    assert "3 trials saved in all, 3 in the median; 1 never found what the cold run found" in saved.summary
    assert {row["trials_saved"] for row in saved.table.to_pylist()} == {3, None}
    transfer = named(panels, "transfer")
    assert "1 of 2 runs with a prior are slower" in transfer.summary
    assert "3.00 times as slow" in transfer.summary
    remembered = {row["run_id"]: row for row in named(panels, "remembered").table.to_pylist()}
    assert (remembered[WARM.source_id]["trials_remembered"], remembered[WARM.source_id]["trials_made"]) == (4, 4)
    assert (remembered[HARMED.source_id]["trials_remembered"], remembered[HARMED.source_id]["trials_made"]) == (7, 2)


def test_without_a_cold_run_nothing_is_claimed(runs: Store) -> None:
    panels = view.VIEW.build(runs, Filters(since=WARM.added_at))
    assert "there is nothing to compare with" in named(panels, "saved").summary
    assert named(panels, "remembered").table.num_rows == 2


def test_logs_are_no_runs(logs: Store) -> None:
    assert "No tuning run" in named(view.VIEW.build(logs, Filters()), "saved").summary
