from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm


def test_an_optimistic_search_keeps_what_it_knows_least_of(context: Any) -> None:
    """The acquisition chooses only from what is kept: changes of the best alone would leave it nothing to find out."""
    from search.bo.proposals import Budget, Pool, Proposer
    from search.bo.surrogate import Surrogate
    from search.space.spaces import DesignSpaces

    def kept(beta: float) -> tuple[Pool, Surrogate]:
        spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
        proposer = Proposer(spaces, None, Budget(pool=16, cold_samples=64))
        surrogate = Surrogate(has_prior=False)
        first = proposer.propose(surrogate, beta).take(range(8))
        run_secs = np.array([1e-5, 1e-5, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])
        surrogate.observe(first.features, first.prior, run_secs)
        proposer.learn(first, run_secs)
        pool = proposer.propose(surrogate, beta)
        proposer.close()
        return pool, surrogate

    sure, surrogate = kept(beta=0.0)
    bold, again = kept(beta=8.0)
    assert len(sure) == len(bold) == 16
    means, stds = surrogate.marginals(sure.features, sure.prior)
    bold_means, bold_stds = again.marginals(bold.features, bold.prior)
    assert bold_stds.mean() > 1.05 * stds.mean()
    assert bold_means.mean() > means.mean()


def test_a_search_that_knows_nothing_looks_further_while_all_fails(context: Any) -> None:
    """Late samples are few because good ones are bred from; there are none yet."""
    from search.bo.proposals import Budget, Proposer
    from search.bo.surrogate import Surrogate
    from search.space.spaces import DesignSpaces

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    proposer = Proposer(spaces, None, Budget(cold_samples=24, samples=1))
    surrogate = Surrogate(has_prior=False)
    first = proposer.propose(surrogate, beta=1.0)
    surrogate.observe_failures(first.features)
    proposer.learn(first, np.full(len(first), np.inf))
    again = proposer.propose(surrogate, beta=1.0)
    proposer.close()
    assert len(again) > 8
    assert not {candidate.key for candidate in again.candidates} & {candidate.key for candidate in first.candidates}


def test_the_last_trials_may_be_any_neighbour_of_the_best(context: Any) -> None:
    from search.bo.proposals import Proposer
    from search.bo.surrogate import Surrogate
    from search.space.spaces import DesignSpaces

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    proposer = Proposer(spaces, None)
    pool = proposer.propose(Surrogate(has_prior=False), beta=1.0)
    proposer.learn(pool.take(range(4)), np.array([4e-5, 1e-5, 3e-5, np.inf]))
    best = pool.candidates[1]
    wanted = {str(sorted(decisions.items())) for _, decisions in spaces.neighbours(best)}
    proposer.refine()
    everything = proposer.choose(lambda pool: range(len(pool)))
    made = {str(sorted(candidate.decisions.items())) for candidate in everything.candidates}
    proposer.close()
    assert len(made & wanted) > len(wanted) / 2  # the rest are the same program, or not valid
