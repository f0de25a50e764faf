"""Which cores measure and which build: apart, if there are enough and they do not disturb each other.

While a candidate is measured, the next ones are built on another core. Two "cores" of one machine may be threads of one
physical core, though, and what is built then slows down what is measured. So it is tried: the arithmetic reference
kernel runs alone, and again while the building cores are busy (`search.measure.local`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass


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
    first = os.getpid() % len(available)
    turned = available[first:] + available[:first]
    return Placement(tuple(turned[:num_cores]), tuple(turned[num_cores : 2 * num_cores]))
