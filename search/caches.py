"""What the caches hold when a candidate is called: which of the conditions of measurement a run is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from search.measure.between import Between
from search.measure.device import Timing
from search.task import Task
from search.work import traffic_bytes

_WHOLE_BYTES = 64 << 20  # more than a core's share of any cache


class Caches(StrEnum):
    """What a candidate finds in the caches, each time that it is called."""

    HOT = "hot"  # all that they can hold of its arguments: it is called over and over
    FLUSHED = "flushed"  # nothing but its first argument
    COLD = "cold"  # nothing
    NETWORK = "network"  # what a network leaves there, whose other programs run in between

    def timing(self, tasks: Sequence[Task]) -> Timing | None:
        """How candidates are timed for that; None is the device's own way.

        Args:
            tasks: All tasks of the network.
        """
        match self:
            case Caches.HOT:
                return None
            case Caches.FLUSHED:
                return Timing(flush_cache=True)
            case Caches.COLD:
                return Timing(between=Between(_WHOLE_BYTES, writes_inputs=False))
            case Caches.NETWORK:
                return Timing(between=Between(traffic_bytes(tasks)))
