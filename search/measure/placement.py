"""Which cores measure and which build: apart, if there are enough and they do not disturb each other.

While a candidate is measured, the next ones are built on another core. Two "cores" of one machine may be threads of one
physical core, though, and what is built then slows down what is measured. So it is tried: the arithmetic reference
kernel runs alone, and again while the building cores are busy (`search.measure.local`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tunedb.machine.topology import Processor, processors


@dataclass(frozen=True, slots=True)
class Placement:
    """Cores that worker processes are bound to; none for wherever the system puts them."""

    measuring: tuple[int, ...] = ()
    building: tuple[int, ...] = ()

    @property
    def is_apart(self) -> bool:
        """Whether there are cores for each."""
        return bool(self.building)


def place(num_cores: int) -> Placement:
    """Cores for candidates that run on so many, of those that this process may use.

    Args:
        num_cores: The number of cores that a candidate runs on.

    Returns:
        Cores for each, or none where there are not enough. Runs that begin at the same time on a large machine take
        different ones. As many are needed to build on, or building would be slower than on all of them.
    """
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2 * num_cores:
        return Placement()
    turned = _in_order(available, num_cores, processors(), os.getpid())
    return Placement(tuple(turned[:num_cores]), tuple(turned[num_cores : 2 * num_cores]))


def _in_order(available: Sequence[int], num_cores: int, known: Sequence[Processor], turn: int) -> list[int]:
    """Processors, those to be taken first in front: of one NUMA node, and each of another core, where there are enough.

    Args:
        available: Those that may be taken.
        num_cores: How many measure, and as many build.
        known: The machine's.
        turn: At which place to begin, so that runs differ.
    """
    of_number = {one.number: one for one in known}
    nodes: dict[int, list[int]] = {}
    for number in available:
        nodes.setdefault(of_number[number].node if number in of_number else 0, []).append(number)
    wide = [mine for mine in nodes.values() if len(mine) >= 2 * num_cores]
    mine = wide[turn % len(wide)] if wide else list(available)
    alone = [number for number in mine if number not in of_number or number == _first_sibling(of_number[number], mine)]
    if len(alone) >= 2 * num_cores:
        mine = alone
    first = turn % len(mine)
    return mine[first:] + mine[:first]


def _first_sibling(processor: Processor, among: Sequence[int]) -> int:
    return min(number for number in processor.siblings if number in among)
