"""The core, asked and told without any host."""

from typing import Any

import numpy as np
import pytest

from costmodels.models import RooflineModel
from search.contract import Proposal, Result
from tunedb.errors import UsageError
from tunedb.records import Outcome

pytestmark = pytest.mark.tvm


def tuner_of(context: Any, *, seed: int = 0, **options: Any) -> Any:
    from search.bo.tuner import BayesianTuner
    from search.space.spaces import DesignSpaces

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))
    settings = {"model": RooflineModel(), "trials": 64, "batch_size": 8, **options}
    return BayesianTuner(spaces, settings.pop("model"), **settings)


def keys(proposals: list[Proposal]) -> list[int]:
    return [proposal.candidate.key for proposal in proposals]


def results(proposals: list[Proposal]) -> list[Result]:
    """Made up, by the program alone."""
    return [
        Result(one.number, None, Outcome.RUN_ERROR)
        if one.candidate.key % 7 == 0
        else Result(one.number, 1e-5 * (1 + one.candidate.key % 997 / 997))
        for one in proposals
    ]


@pytest.mark.parametrize("model", [RooflineModel(), None])
def test_the_same_questions_and_results_have_the_same_answers(context: Any, model: Any) -> None:
    def run(seed: int) -> list[int]:
        tuner = tuner_of(context, seed=seed, model=model)
        found: list[int] = []
        pending: list[Proposal] = []
        for _ in range(3):  # with the last batch still under way
            batch = tuner.ask(4, [one.number for one in pending])
            found += keys(batch)
            tuner.tell(results(pending))
            pending = batch
        tuner.close()
        return found

    first = run(3)
    assert len(set(first)) == len(first) == 12
    assert run(3) == first
    assert run(4) != first


def test_what_is_pending_is_never_proposed_again(context: Any) -> None:
    tuner = tuner_of(context, batch_size=8)
    pending: list[Proposal] = []
    for _ in range(6):
        pending += tuner.ask(4, [one.number for one in pending])
    tuner.close()
    assert [one.number for one in pending] == list(range(24))
    assert len(set(keys(pending))) == 24


def test_pending_proposals_spread_a_batch_as_its_own_picks_do(context: Any) -> None:
    """Two questions, the first still open, choose from a pool as one question would."""
    whole = tuner_of(context)
    batch = keys(whole.ask(4))
    whole.close()

    parts = tuner_of(context)
    first = parts.ask(2)
    pool = parts._proposer._pool
    waiting = parts._keep_pending([one.number for one in first])
    rest = [pool.candidates[place].key for place in parts._pick(pool, 2, 1.0, waiting)]
    ignored = [pool.candidates[place].key for place in parts._pick(pool, 2, 1.0)]
    parts.close()
    assert [*keys(first), *rest] == batch
    assert ignored != rest  # their uncertainty counts


def test_what_a_host_has_given_up_may_be_proposed_again(context: Any) -> None:
    tuner = tuner_of(context, batch_size=8)
    lost = tuner.ask(2)
    kept = tuner.ask(2, [one.number for one in lost])
    tuner._keep_pending([one.number for one in kept])
    pool = {candidate.key for candidate in tuner._proposer._pool.candidates}
    assert pool >= set(keys(lost))
    assert not pool & set(keys(kept))
    with pytest.raises(UsageError):
        tuner.tell(results(lost))
    again = tuner.ask(2)
    tuner.close()
    assert not {one.number for one in again} & {one.number for one in (*lost, *kept)}


def test_results_may_come_in_any_order_and_only_once(context: Any) -> None:
    tuner = tuner_of(context)
    first = tuner.ask(4)
    tuner.tell([Result(first[2].number, 2e-5)])
    tuner.tell([Result(first[0].number, None, Outcome.COMPILE_ERROR), Result(first[3].number, 1e-5)])
    for again in ([Result(first[2].number, 2e-5)], [Result(99, 2e-5)], [Result(first[1].number, 1e-5)] * 2):
        with pytest.raises(UsageError):
            tuner.tell(again)
    with pytest.raises(UsageError):
        tuner.ask(1, [first[0].number])
    later = tuner.ask(4, [first[1].number])
    tuner.tell([Result(first[1].number, 3e-5)])
    tuner.tell([])
    tuner.close()
    assert not set(keys(later)) & set(keys(first))


def test_failed_candidates_are_not_proposed_again(context: Any) -> None:
    tuner = tuner_of(context, model=None)
    first = tuner.ask(4)
    tuner.tell([Result(one.number, None, Outcome.RUN_ERROR) for one in first])
    second = tuner.ask(4)
    tuner.close()
    assert second
    assert not set(keys(first)) & set(keys(second))


def test_the_first_batches_are_half_as_large_and_no_larger_than_asked_for(context: Any) -> None:
    tuner = tuner_of(context, batch_size=6)
    sizes = []
    for number in (9, 2, 9, 9, 9, 9, 9):
        batch = tuner.ask(number)
        tuner.tell(results(batch))
        sizes.append(len(batch))
    tuner.close()
    assert sizes == [3, 2, 3, 3, 3, 3, 6]


def test_trust_is_none_until_something_was_measured(context: Any) -> None:
    tuner = tuner_of(context)
    assert tuner.trust is None
    batch = tuner.ask(4)
    tuner.tell([Result(one.number, 1e-5 * (1 + place)) for place, one in enumerate(batch)])
    assert tuner.trust.num_measured == 4
    tuner.close()


def test_the_last_trials_refine_what_was_found(context: Any) -> None:
    """Of the run, where several tasks share them, or else of the task."""
    left = 1.0
    shared, alone = tuner_of(context, share_left=lambda: left), tuner_of(context, trials=8)
    for tuner in (shared, alone):
        assert not tuner.is_refining
        tuner.tell(results(tuner.ask(4)))
    assert not alone.is_refining
    alone.tell(results(alone.ask(2)))
    assert alone.is_refining
    assert not shared.is_refining
    left = 0.25
    assert shared.is_refining
    nothing = tuner_of(context, share_left=lambda: 0.0)
    assert not nothing.is_refining  # nothing was found
    for tuner in (shared, alone, nothing):
        tuner.close()
