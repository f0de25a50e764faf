"""What measures and what builds are apart: on cores of their own, and near the same memory, where there are enough."""

import pytest

from search.measure.placement import _in_order
from tunedb.machine.topology import Processor

# Two nodes, two cores each, two threads.
KNOWN = [Processor(number, (number % 4, number % 4 + 4), number % 4 // 2) for number in range(8)]


@pytest.mark.parametrize(
    ("available", "num_cores", "turn", "taken"),
    [
        (range(8), 1, 0, {0, 1}),  # two cores of node 0
        (range(8), 1, 1, {2, 3}),  # of node 1
        (range(8), 2, 0, {0, 1, 4, 5}),  # a node's cores with their threads
        (range(8), 4, 0, set(range(8))),
        ([0, 4], 1, 0, {0, 4}),
        ([1, 5, 2], 1, 0, {1, 5}),  # threads of one core, but of one node
    ],
)
def test_nodes_are_not_crossed_and_cores_not_shared_without_need(
    available: range, num_cores: int, turn: int, taken: set[int]
) -> None:
    order = _in_order(list(available), num_cores, KNOWN, turn)
    assert set(order[: 2 * num_cores]) == taken


def test_processors_that_nobody_knows_are_taken_in_turn() -> None:
    assert _in_order([0, 1, 2], 1, (), 1) == [1, 2, 0]
