"""Trials in parts that are asked for one after the other, so that memory does not grow with a store.

A part is a range of the order in which trials are asked for: several workloads, or of a large workload several sources,
or of a large source a range of positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

PART_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Part:
    """Which trials belong to a part."""

    condition: str  # in SQL
    values: tuple[object, ...]  # what stands for its `?`
    workloads: tuple[str, str]  # the first and the last
    is_whole: bool  # whether all trials of its workloads are in it: then so are those that stand twice


def parts_of(
    rows: Sequence[tuple[str, str, int]], positions: Callable[[str, str], tuple[int, int]], size: int = PART_ROWS
) -> Iterator[Part]:
    """The parts of some trials, in order.

    Args:
        rows: how many trials there are by workload and source, in order.
        positions: gives the first and the last position of a workload's trials of a source.
        size: about how many trials are to be in a part.
    """
    workloads = [(name, list(group)) for name, group in groupby(rows, key=lambda row: row[0])]
    counted = [(name, sum(row[2] for row in group)) for name, group in workloads]
    sources = dict(workloads)
    for first, last, count in ranges(counted, size):
        if count <= 2 * size:
            yield Part("workload_id BETWEEN ? AND ?", (first, last), (first, last), is_whole=True)
            continue
        yield from _parts_of_workload(first, sources[first], positions, size)


def _parts_of_workload(
    workload: str, rows: Sequence[tuple[str, str, int]], positions: Callable[[str, str], tuple[int, int]], size: int
) -> Iterator[Part]:
    both = (workload, workload)
    for first, last, count in ranges([(source, count) for _, source, count in rows], size):
        condition = "workload_id = ? AND source_id BETWEEN ? AND ?"
        if count <= 2 * size:
            yield Part(condition, (workload, first, last), both, is_whole=False)
            continue
        lowest, highest = positions(workload, first)
        step = ceil((highest - lowest + 1) / ceil(count / size))
        for start in range(lowest, highest + 1, step):
            values = (workload, first, last, start, start + step - 1)
            yield Part(f"{condition} AND position BETWEEN ? AND ?", values, both, is_whole=False)


def ranges(counted: Sequence[tuple[str, int]], size: int) -> Iterator[tuple[str, str, int]]:
    """Ranges of neighbours with about `size` trials together; one with more than twice as many stands alone."""
    first, last, together = "", "", 0
    for name, count in counted:
        if together and (together + count > size or count > 2 * size):
            yield first, last, together
            together = 0
        first, last, together = name if not together else first, name, together + count
    if together:
        yield first, last, together
