"""Two runs on one store, each a tuner that proposes the same candidates in the same order: no device is needed."""

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from search.claims import Claims, Elsewhere
from search.contract import Proposal, Result, Tuner
from search.space.spaces import Candidate, DesignSpaces
from tunedb.errors import StoreAwayError
from tunedb.identity import source, trace_id
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule.replay import recorded_trace, trial_from_measurement, workload_from_module
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Target
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

pytestmark = pytest.mark.tvm

HARDWARE = this_machine()
SOURCE = source("tune:other", "tune")


class InOrder(Tuner):
    """Proposes given candidates, each once unless it is forgotten; keeps what it is told."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.candidates, self.next = candidates, 0
        self.told: list[Result] = []

    def ask(self, number: int, pending: Collection[int] = ()) -> list[Proposal]:
        del pending
        first, self.next = self.next, min(self.next + number, len(self.candidates))
        return [Proposal(place, self.candidates[place]) for place in range(first, self.next)]

    def tell(self, results: Sequence[Result]) -> None:
        self.told += results

    def expected_gain(self, best_secs: float) -> float | None:
        del best_secs
        return None


@pytest.fixture(params=["memory", "service"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "service":
        with request.getfixturevalue("running_service").opened() as made:
            yield made
    else:
        with open_store("memory:") as made:
            yield made


@pytest.fixture
def candidates(context: Any) -> Iterator[list[Candidate]]:
    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    found = {trace_id(recorded_trace(one.schedule.trace)): one for one in spaces.sample(32)}
    yield list(found.values())[:8]
    spaces.close()


@pytest.fixture
def claim(store: Store, target: Target) -> Iterator[Any]:
    made: list[Claims] = []

    def one(secs: float = 60.0) -> Claims:
        made.append(Claims(store, target, HARDWARE, DEFAULT_CONDITIONS, datetime.now(UTC), secs))
        return made[-1]

    yield one
    for each in made:
        each.close()


def numbers(proposals: Sequence[Proposal]) -> list[int]:
    return [one.number for one in proposals]


def keep(store: Store, target: Target, small_matmul: Any, candidates: Sequence[Candidate]) -> None:
    """Stores that candidates were measured: each took a second more than the one before."""
    workload, module = workload_from_module(small_matmul)
    trials = [
        trial_from_measurement(
            module,
            target,
            HARDWARE,
            SOURCE,
            position=place,
            trace=one.schedule.trace,
            run_secs=[1.0 + place],
            measured_at=datetime.now(UTC),
        )
        for place, one in enumerate(candidates)
    ]
    store.append(
        trials, workloads=[workload], modules=[module], targets=[target], hardware=[HARDWARE], sources=[SOURCE]
    )


@pytest.fixture
def workload_id(small_matmul: Any) -> str:
    return workload_from_module(small_matmul)[0].workload_id


def test_what_one_has_in_hand_is_left_to_it(candidates: list[Candidate], claim: Any, workload_id: str) -> None:
    one, other = InOrder(candidates), InOrder(candidates)
    first, second, elsewhere = claim(), claim(), Elsewhere()
    assert numbers(first.ask(one, workload_id, 4, Elsewhere())) == [0, 1, 2, 3]
    assert numbers(second.ask(other, workload_id, 4, elsewhere)) == [4, 5, 6, 7]
    assert list(elsewhere.traces) == [0, 1, 2, 3]
    assert other.told == []


def test_what_the_other_stored_is_learned(
    candidates: list[Candidate], claim: Any, store: Store, target: Target, small_matmul: Any, workload_id: str
) -> None:
    one, other = InOrder(candidates), InOrder(candidates)
    first, second, elsewhere = claim(), claim(), Elsewhere()
    first.ask(one, workload_id, 2, Elsewhere())
    assert numbers(second.ask(other, workload_id, 4, elsewhere)) == [2, 3]
    keep(store, target, small_matmul, candidates[:2])
    first.stored()
    assert numbers(second.ask(other, workload_id, 4, elsewhere)) == [4, 5, 6, 7]
    assert [(told.number, told.outcome) for told in other.told] == [(0, Outcome.OK), (1, Outcome.OK)]
    assert [told.run_secs for told in other.told] == [1.0, 2.0]
    assert elsewhere.traces == {}


def test_what_was_measured_meanwhile_is_not_measured_again(
    candidates: list[Candidate], claim: Any, store: Store, target: Target, small_matmul: Any, workload_id: str
) -> None:
    tuner, elsewhere = InOrder(candidates), Elsewhere()
    run = claim()
    keep(store, target, small_matmul, candidates[:3])
    assert numbers(run.ask(tuner, workload_id, 4, elsewhere)) == [3]
    run.ask(tuner, workload_id, 1, elsewhere)
    assert [told.number for told in tuner.told] == [0, 1, 2]


def test_what_was_measured_before_the_run_began_is_the_tuner_s_to_know(
    candidates: list[Candidate], claim: Any, store: Store, target: Target, small_matmul: Any, workload_id: str
) -> None:
    keep(store, target, small_matmul, candidates[:3])
    assert numbers(claim().ask(InOrder(candidates), workload_id, 4, Elsewhere())) == [0, 1, 2, 3]


def test_a_strategy_that_learns_of_nobody_leaves_to_others_what_they_have(
    candidates: list[Candidate], claim: Any, store: Store, target: Target, small_matmul: Any, workload_id: str
) -> None:
    traces = [trace_id(recorded_trace(one.schedule.trace)) for one in candidates]
    first, second = claim(), claim()
    assert first.free(workload_id, traces[:3]) == [True] * 3
    assert second.free(workload_id, traces[:5]) == [False] * 3 + [True] * 2
    keep(store, target, small_matmul, candidates[:3])
    first.stored()
    assert second.free(workload_id, traces[:6]) == [False] * 3 + [True] * 3
    assert first.free(workload_id, traces[:3]) == [True] * 3, "its own may be measured again"


def test_two_cold_runs_of_one_seed_measure_no_candidate_twice(
    small_matmul: Any, target: Target, store: Store, claim: Any
) -> None:
    from tvm.s_tir import meta_schedule as ms

    from search.contexts import contexts
    from search.metaschedule import RecordedStrategy
    from search.task import Task

    batches = []
    for claims in (claim(), claim()):
        strategy = RecordedStrategy(ms.search_strategy.ReplayTrace(), claims=claims)
        (context,) = contexts([Task("small", small_matmul)], target, strategy, seed=0)
        context.pre_tuning(max_trials=64, num_trials_per_iter=4, design_spaces=context.generate_design_space())
        batches.append(context.generate_measure_candidates())
    (one, other) = ({trace_id(recorded_trace(row.sch.trace)) for row in batch} for batch in batches)
    assert one
    assert other
    assert not one & other


def test_leases_are_renewed_while_a_run_lives_and_given_back_at_its_end(
    candidates: list[Candidate], claim: Any, workload_id: str
) -> None:
    first, second = claim(secs=0.6), claim()
    first.ask(InOrder(candidates), workload_id, 8, Elsewhere())
    time.sleep(1.5)  # longer than a lease
    elsewhere = Elsewhere()
    asking = threading.Thread(target=lambda: found.extend(second.ask(tuner, workload_id, 8, elsewhere)))
    found: list[Proposal] = []
    tuner = InOrder(candidates)
    asking.start()
    time.sleep(1.0)
    assert (found, len(elsewhere.traces)) == ([], 8)
    first.close()
    tuner.next = 0  # what was given up may be proposed again
    asking.join(30)
    assert numbers(found) == list(range(8))


def test_a_run_goes_on_without_leases_while_its_service_is_away(
    candidates: list[Candidate], claim: Any, store: Store, workload_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object, **named: object) -> None:
        raise StoreAwayError("the service cannot be reached")

    alone, elsewhere = claim(), Elsewhere({99: "0" * 32})
    for name in ("names", "read", "write", "delete"):
        monkeypatch.setattr(store.artifacts, name, away)
    monkeypatch.setattr(store, "trials_of_traces", away)
    assert numbers(alone.ask(InOrder(candidates), workload_id, 4, elsewhere)) == [0, 1, 2, 3]
    alone.stored()
