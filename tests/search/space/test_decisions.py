import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.space.decisions import carried_over, decision_key, encoded, factorisations, nearest_tile, read_decisions
from tunedb.records import Trace

TRACE = Trace(
    b'[["GetSBlock",[],["C","main"],["b0"]],["SamplePerfectTile",["l1"],[2,64],["v2","v3"]],'
    b'["SampleCategorical",[],[[0,16],[0.5,0.5]],["v4"]],["EnterPostproc",[],[],[]],["Fuse",["l1"],[1],["l5"]]]',
    b"[[1,[8,16]],[2,1],[4,0]]",
)


def test_reads_what_comes_before_the_postprocessors() -> None:
    decided = read_decisions(TRACE)
    assert decided is not None
    assert decided.form == (("GetSBlock",), ("SamplePerfectTile", "l1"), ("SampleCategorical",))
    assert decided.decisions == {1: [8, 16], 2: 1}


def test_other_tuners_records_have_no_decisions() -> None:
    assert read_decisions(Trace(b'{"kind": "ansor"}', b"[]")) is None
    assert read_decisions(Trace(b"[]", b'[["x", 1]]')) is None


@given(st.integers(1, 240), st.integers(1, 4), st.sampled_from([0, 1, 8, 64]))
def test_factorisations_are_all_and_once(extent: int, parts: int, limit: int) -> None:
    found = factorisations(extent, parts, limit)
    assert len(set(found)) == len(found)
    assert all(math.prod(one) == extent and len(one) == parts for one in found)
    if not limit:
        assert len(found) >= 1
    else:
        assert all(one[-1] <= limit for one in found)


def test_a_tile_keeps_its_inside_and_grows_outside() -> None:
    assert nearest_tile((4, 2, 8, 4), 512) == [8, 2, 8, 4]
    assert nearest_tile((1, 1, 1, 16), 56) in ([1, 4, 1, 14], [4, 1, 1, 14])
    assert nearest_tile((1, 128), 128, max_innermost=64) == [2, 64]
    assert nearest_tile((2, 3), 7) == [7, 1] or nearest_tile((2, 3), 7) == [1, 7]


def test_decisions_of_another_size_are_carried_over_and_others_are_not() -> None:
    assert carried_over({1: [8, 16], 2: 1}, {1: [1, 64], 2: 0}, {1: 64}) == {1: [4, 16], 2: 1}
    assert carried_over({1: [8, 16]}, {1: [1, 64], 2: 0}, {}) is None
    assert carried_over({1: [8, 16], 2: 1}, {1: 3, 2: 0}, {}) is None
    assert carried_over({1: 2}, {1: [1, 64]}, {}) is None
    assert carried_over({1: [8, 0]}, {1: [1, 64]}, {}) is None


def test_neighbours_are_near_and_keys_tell_apart() -> None:
    near = encoded({1: [8, 16], 2: 1}) - encoded({1: [4, 32], 2: 1})
    far = encoded({1: [8, 16], 2: 1}) - encoded({1: [128, 1], 2: 1})
    assert np.abs(near).max() == 1
    assert np.linalg.norm(far) > np.linalg.norm(near)
    assert decision_key({2: 1, 1: [8, 16]}) == decision_key({1: [8, 16], 2: 1}) != decision_key({1: [16, 8], 2: 1})
