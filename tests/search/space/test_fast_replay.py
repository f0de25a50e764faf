from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm

OPERATORS = [("conv2d_nhwc", [1, 14, 14, 16, 32, 3, 1, 1]), ("softmax_mn", [64, 48])]


def context_of(target: Any, operator: str, sizes: list[int]) -> Any:
    from tvm.ir import IRModule
    from tvm.s_tir import meta_schedule as ms

    from search.corpus import operators
    from tunedb.metaschedule.replay import target_to_tvm

    return ms.TuneContext(
        mod=IRModule({"main": operators.prim_func(operator, sizes)}),
        target=target_to_tvm(target),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )


def spaces_of(context: Any) -> Any:
    from search.space.spaces import DesignSpaces

    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))


@pytest.mark.parametrize(("operator", "sizes"), OPERATORS)
def test_what_tvm_drew_is_the_same_program_when_replayed_fast(target: Any, operator: str, sizes: list[int]) -> None:
    spaces = spaces_of(context_of(target, operator, sizes))
    samples = spaces.sample(18)
    replayed = spaces.replay_fast([(candidate.space, candidate.decisions) for candidate in samples])
    spaces.close()
    assert [candidate and candidate.key for candidate in replayed] == [candidate.key for candidate in samples]
    assert any(not candidate.is_verified for candidate in replayed)


@pytest.mark.parametrize(("operator", "sizes"), OPERATORS)
def test_what_is_chosen_is_what_tvm_will_replay(target: Any, operator: str, sizes: list[int]) -> None:
    from search.bo.proposals import Proposer
    from search.bo.surrogate import Surrogate

    context = context_of(target, operator, sizes)
    spaces = spaces_of(context)
    proposer = Proposer(spaces, None)
    surrogate = Surrogate(has_prior=False)
    first = proposer.propose(surrogate, beta=1.0).take(range(8))
    secs = np.linspace(1e-5, 2e-5, 8)
    surrogate.observe(first.features, first.prior, secs)
    proposer.learn(first, secs)
    pool = proposer.propose(surrogate, beta=1.0)
    unverified = [candidate for candidate in pool.candidates if not candidate.is_verified]
    chosen = proposer.choose(lambda pool: range(len(pool) - 1, -1, -1)[:48])
    again = spaces.verified(chosen.candidates)
    spaces.close()
    assert unverified
    assert len(chosen) == 48
    assert all(candidate.is_verified for candidate in chosen.candidates)
    assert [candidate and candidate.key for candidate in again] == [candidate.key for candidate in chosen.candidates]
    assert len({candidate.key for candidate in chosen.candidates}) == 48
