from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm


def test_an_optimistic_search_keeps_what_it_knows_least_of(context: Any) -> None:
    """The acquisition chooses only from what is kept: kin of the best alone would leave it nothing to find out."""
    from search.bo.proposals import Budget, Pool, Proposer
    from search.bo.surrogate import Surrogate
    from search.space.spaces import DesignSpaces

    def kept(beta: float) -> tuple[Pool, Surrogate]:
        spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
        proposer = Proposer(spaces, context, None, Budget(pool=16, cold_samples=64))
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
    proposer = Proposer(spaces, context, None, Budget(cold_samples=24, samples=1))
    surrogate = Surrogate(has_prior=False)
    first = proposer.propose(surrogate, beta=1.0)
    surrogate.observe_failures(first.features)
    proposer.learn(first, np.full(len(first), np.inf))
    again = proposer.propose(surrogate, beta=1.0)
    proposer.close()
    assert len(again) > 8
    assert not {candidate.key for candidate in again.candidates} & {candidate.key for candidate in first.candidates}
