from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm


def spaces_of(context: Any, seed: int) -> Any:
    from search.space import DesignSpaces

    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))


def test_samples_come_from_every_design_space_and_replay(context: Any) -> None:
    spaces = spaces_of(context, 0)
    found = spaces.sample(24)
    assert len(spaces) > 1
    assert len(found) > 12
    assert len({len(candidate.trace.insts) for candidate in found}) > 1
    again = spaces.replay(found[0].space, found[0].trace, seed=99)
    assert again is not None
    assert again.key == found[0].key  # all decisions are in the trace, none is drawn anew


def test_same_seed_same_candidates(context: Any) -> None:
    keys = []
    for _ in range(2):
        spaces = spaces_of(context, 5)
        samples = spaces.sample(12)
        keys.append([c.key for c in samples + spaces.mutate(samples, 12)])
    assert keys[0] == keys[1]
    other = spaces_of(context, 6)
    assert [c.key for c in other.sample(12)] != keys[0][:12]


def test_mutation_changes_few_decisions(context: Any) -> None:
    spaces = spaces_of(context, 1)
    parent = spaces.sample(4)[0]
    children = spaces.mutate([parent], 20)
    assert any(child.key != parent.key for child in children)
    for child in children:
        before, after = (sorted(map(str, c.trace.decisions.values())) for c in (parent, child))
        assert len(before) == len(after)


def test_a_candidate_becomes_a_measure_candidate(context: Any) -> None:
    candidate = spaces_of(context, 2).sample(4)[0].measure_candidate()
    assert [list(arg.as_json()[2]) for arg in candidate.args_info] == [[64, 64]] * 3
