import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.space.mutation import crossed, moved, neighbours, prime_factors, varied

PARENT = {3: [4, 2, 8, 1], 5: [1, 1], 7: 2, 9: 0}
CHOICES = {7: [0, 1, 2, 3], 9: [0]}


def test_a_child_differs_and_its_tiles_still_divide_the_extents() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        child = varied(PARENT, CHOICES, {3: 64}, rng)
        assert child != PARENT
        assert child[5] == [1, 1]  # an extent of 1 leaves nothing to change
        assert child[9] == 0  # nor does a single choice
        assert isinstance(child[3], list)
        assert math.prod(child[3]) == 64
    assert PARENT == {3: [4, 2, 8, 1], 5: [1, 1], 7: 2, 9: 0}


def test_nothing_to_change_comes_back_as_it_is() -> None:
    assert varied({5: [1, 1], 9: 0}, {9: [0]}, {}, np.random.default_rng(0)) == {5: [1, 1], 9: 0}


@given(st.lists(st.integers(1, 12), min_size=2, max_size=4).filter(lambda f: math.prod(f) > 1), st.integers(0, 99))
def test_moving_a_factor_keeps_the_product_and_the_limit(factors: list[int], seed: int) -> None:
    changed = moved(factors, 16, np.random.default_rng(seed))
    assert math.prod(changed) == math.prod(factors)
    assert changed[-1] <= 16


def test_crossing_takes_each_decision_from_a_parent() -> None:
    rng = np.random.default_rng(1)
    children = [crossed({1: [2, 3], 2: 5}, {1: [6, 1], 2: 7}, rng) for _ in range(50)]
    assert {(tuple(child[1]), child[2]) for child in children} == {  # type: ignore[arg-type]
        ((2, 3), 5),
        ((2, 3), 7),
        ((6, 1), 5),
        ((6, 1), 7),
    }


def test_prime_factors() -> None:
    assert [prime_factors(n) for n in (1, 2, 12, 49, 97)] == [(), (2,), (2, 3), (7,), (97,)]


def test_neighbours_are_one_smallest_step_away() -> None:
    found = list(neighbours(PARENT, CHOICES, {3: 2}))
    assert all(sum(child[place] != PARENT[place] for place in PARENT) == 1 for child in found)
    tiles = [child[3] for child in found if child[3] != PARENT[3]]
    assert [2, 4, 8, 1] in tiles
    assert [1, 8, 8, 1] not in tiles  # two steps
    assert {math.prod(tile) for tile in tiles} == {64}  # type: ignore[arg-type]
    assert max(tile[-1] for tile in tiles) == 2  # type: ignore[index]
    assert sorted(child[7] for child in found if child[7] != 2) == [0, 1, 3]
    assert len({str(child) for child in found}) == len(found)
