"""From measurements to trials, by the numbers that a device gave them."""

from typing import Any

import numpy as np
import pytest

from search.measure.device import Measurement
from search.recorder import Recorder, Scheduled, TaskRecorder, TrialEvent
from tunedb.identity import source
from tunedb.machine.hardware import hardware_named
from tunedb.query.ranking import ranked_best
from tunedb.records import Outcome, Target
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm


@pytest.fixture
def candidates(context: Any) -> list[Scheduled]:
    from search.space.spaces import DesignSpaces

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    found = [Scheduled(one.schedule.trace, (["TENSOR", "float32", [64, 64]],) * 3) for one in spaces.sample(6)]
    spaces.close()
    return found[:4]


@pytest.fixture
def events() -> list[TrialEvent]:
    return []


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def task(store: MemoryStore, small_matmul: Any, target: Target, events: list[TrialEvent]) -> TaskRecorder:
    from tunedb.metaschedule.replay import workload_from_module

    machine = hardware_named("another machine")
    run = Recorder(store, target, machine, source("tune:1", "tune"), total=8, on_trial=events.append)
    return run.begin_task(*workload_from_module(small_matmul), "small")


def test_each_measurement_is_a_trial_at_once_by_its_number(
    task: TaskRecorder, candidates: list[Scheduled], events: list[TrialEvent], store: MemoryStore
) -> None:
    task.begin_batch(candidates)
    run = task.run
    run.numbered([40, 41, 42, 43])
    run.measured(Measurement(42, (2e-5,)))
    run.measured(Measurement(41, (), Outcome.COMPILE_TIMEOUT, "too long"))
    run.measured(Measurement(7, (1e-9,)))  # of another batch
    run.flush()  # nobody hears of a trial before it is stored
    assert [(one.number, one.outcome, one.is_best) for one in events] == [
        (1, Outcome.OK, True),
        (2, Outcome.COMPILE_TIMEOUT, False),
    ]
    # What was reported is not recorded again; what was never run is no trial.
    task.end_batch([Measurement(0, (1e-5,)), Measurement(1, (9.0,)), Measurement(2, (9.0,)), None])
    assert [(one.position, one.outcome) for one in task.trials] == [
        (0, Outcome.OK),
        (1, Outcome.COMPILE_TIMEOUT),
        (2, Outcome.OK),
    ]
    assert task.best is not None
    assert task.best.trial is task.trials[2]
    assert {one.trial_id for one in store.trials()} == {one.trial_id for one in task.trials}
    assert run.share_left == 5 / 8
    run.close()


def test_a_hopeless_candidate_needs_one_run(task: TaskRecorder, candidates: list[Scheduled]) -> None:
    run = task.run
    assert run.enough_secs() == float("inf")
    task.begin_batch(candidates)
    run.numbered([0, 1, 2, 3])
    assert run.enough_secs() == float("inf")
    run.measured(Measurement(0, (2e-5,)))
    assert run.enough_secs() == pytest.approx(3e-5)
    assert run.enough_secs(drift=2.0) == pytest.approx(6e-5)
    run.close()


def test_a_repeat_counts_for_its_schedule_and_is_no_trial(
    task: TaskRecorder, candidates: list[Scheduled], store: MemoryStore
) -> None:
    from datetime import UTC, datetime

    task.begin_batch(candidates)
    task.end_batch([Measurement(0, (1.0e-5,)), Measurement(1, (1.1e-5,)), None, None])
    first, second = task.trials
    assert task.best is not None
    assert task.best.trial is first
    task.add_repeat(first, [2.0e-5], datetime.now(UTC))  # it was lucky
    assert task.best is not None
    assert task.best.trial.trace == second.trace
    assert (len(task.trials), len(task.repeats), task.run.num_trials) == (2, 1, 2)
    assert task.repeats[0].position == 2
    task.run.close()
    assert store.stats().num_trials == 3


def test_passes_of_earlier_runs_count(
    task: TaskRecorder, candidates: list[Scheduled], store: MemoryStore, events: list[TrialEvent]
) -> None:
    """What is shown of a run is what `tunedb best` says of it afterwards."""
    task.begin_batch(candidates)
    task.end_batch([Measurement(0, (3.0e-5,)), Measurement(1, (1.1e-5, 9e-5)), None, None])
    again = task.run.begin_task(task.workload, task.module, "again")
    assert again.best is None
    again.begin_batch(candidates)
    again.end_batch([Measurement(0, (0.9e-5,)), Measurement(1, (1.3e-5,)), None, None])
    task.run.close()
    (ranked,) = ranked_best(store, task.workload.workload_id, task.run.target.target_id)
    assert again.best is not None
    assert (again.best.trial, again.best.estimate) == (again.trials[1], ranked.estimate)
    assert events[-1].best_secs == events[-1].secs == pytest.approx((1.1e-5 * 1.3e-5) ** 0.5)
    assert (events[-1].is_best, events[-1].best_passes) == (True, 2)
    assert events[-2].best_secs == pytest.approx((3.0e-5 * 0.9e-5) ** 0.5)  # lucky this time only


def test_the_share_that_is_left_is_of_trials_or_of_time_if_that_is_less(target: Target) -> None:
    import time

    def share(total: int, *, limit_secs: float | None, ago: float) -> float:
        machine, run, begun = hardware_named("another machine"), source("tune:1", "tune"), time.monotonic() - ago
        return Recorder(None, target, machine, run, total=total, limit_secs=limit_secs, started=begun).share_left

    assert share(8, limit_secs=None, ago=100.0) == 1.0
    assert share(8, limit_secs=100.0, ago=75.0) == pytest.approx(0.25, abs=0.01)
    assert share(8, limit_secs=100.0, ago=200.0) == 0.0
    assert share(0, limit_secs=None, ago=0.0) == 0.0
