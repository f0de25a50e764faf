"""A product of 64 by 64 by 64, tiled as MetaSchedule does it: five levels of rows and columns, three of the sum."""

import numpy as np
import pytest

from search.space.threads import Dimension, Limits, Shared, Tile, Tiling

ROWS, COLUMNS, SUM = 4, 6, 8
LIMITS = Limits(threads=1024, shared_bytes=49152)


def product(**changes: object) -> Tiling:
    spatial = [Tile(place, 64, 5, 64, inner=(1, 2, 3, 4)) for place in (ROWS, COLUMNS)]
    operands = [Shared((Dimension(((side, 1),), 1, 64), Dimension(((SUM, 1),), 1, 64)), 4) for side in (ROWS, COLUMNS)]
    given: dict[str, object] = {
        "tiles": (*spatial, Tile(SUM, 64, 3, 64, inner=(1, 2))),
        "threads": ((ROWS, 2), (COLUMNS, 2)),
        "vthreads": ((ROWS, 1), (COLUMNS, 1)),
        "least_threads": 32,
        "most_threads": 1024,
        "shared": tuple(operands),
    }
    return Tiling(**{**given, **changes})  # type: ignore[arg-type]


def decided(rows: list[int], columns: list[int], reduction: list[int]) -> dict[int, list[int] | int]:
    return {ROWS: rows, COLUMNS: columns, SUM: reduction}


GOOD = decided([2, 2, 8, 2, 1], [1, 1, 8, 4, 2], [8, 4, 2])


def test_what_keeps_within_the_limits_is_allowed() -> None:
    assert product().allows(GOOD, LIMITS)


@pytest.mark.parametrize(
    ("what", "decisions"),
    [
        ("16 threads, of at least a warp", decided([16, 1, 4, 1, 1], [16, 1, 4, 1, 1], [8, 4, 2])),
        ("4096 threads", decided([1, 1, 64, 1, 1], [1, 1, 64, 1, 1], [64, 1, 1])),
        ("16 virtual threads", decided([1, 4, 8, 2, 1], [1, 4, 8, 2, 1], [8, 4, 2])),
    ],
)
def test_what_leaves_them_is_not(what: str, decisions: dict[int, list[int] | int]) -> None:
    assert not product().allows(decisions, LIMITS), what


def test_shared_memory_is_counted_to_the_byte() -> None:
    # 32 rows and 64 columns by 8 of the sum, of 4 bytes
    assert product().allows(GOOD, Limits(1024, (32 + 64) * 8 * 4))
    assert not product().allows(GOOD, Limits(1024, (32 + 64) * 8 * 4 - 1))


def test_a_pipeline_keeps_copies_and_has_more_than_one_step() -> None:
    pipelined = product(copies=3, pipelined=((SUM, 0),))
    assert pipelined.allows(GOOD, Limits(1024, 3 * (32 + 64) * 8 * 4))
    assert not pipelined.allows(GOOD, Limits(1024, 3 * (32 + 64) * 8 * 4 - 1))
    assert not pipelined.allows({**GOOD, SUM: [1, 32, 2]}, LIMITS)


def test_rows_that_are_padded_and_windows_that_overlap_count() -> None:
    window = Shared((Dimension(((ROWS, 2), (SUM, 1)), 1, 1000), Dimension(((COLUMNS, 1),), 1, 64)), 2, (32, 8))
    tiling = product(shared=(window,))
    tiles = {place: np.array([factors]) for place, factors in GOOD.items()}
    # 31 steps of two and 7 of one; 64 columns are padded to 72
    assert window.num_bytes(tiles, tiling).tolist() == [(1 + 31 * 2 + 7) * 72 * 2]


def test_results_that_leave_in_parts_take_turns_in_shared_memory() -> None:
    out = Shared((Dimension(((ROWS, 1),), 1, 64), Dimension(((COLUMNS, 1),), 1, 64)), 4, parts=((ROWS, 3), (ROWS, 4)))
    tiles = {place: np.array([factors]) for place, factors in GOOD.items()}
    assert out.num_bytes(tiles, product()).tolist() == [32 * 64 * 4 // 2]


def test_what_is_drawn_fits_and_makes_up_the_extents() -> None:
    tiling = product(choices=((10, (0, 2)),))
    drawn = tiling.draw(100, LIMITS, np.random.default_rng(0))
    assert len(drawn) == 100
    for one in drawn:
        assert tiling.allows(one, LIMITS)
        assert [int(np.prod(one[place])) for place in (ROWS, COLUMNS, SUM)] == [64, 64, 64]
    assert {one[10] for one in drawn} == {0, 2}
    assert len({str(one) for one in drawn}) > 90


def test_the_same_seed_draws_the_same() -> None:
    first, again = (product().draw(8, LIMITS, np.random.default_rng(3)) for _ in range(2))
    assert first == again


def test_where_nothing_fits_nothing_is_drawn() -> None:
    assert product(least_threads=8192, most_threads=9000).draw(4, LIMITS, np.random.default_rng(0)) == []
