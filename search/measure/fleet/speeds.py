"""How fast the servers of a fleet are next to each other, by a reference program that each runs now and then.

Machines of one kind are not equally fast all the time: one is hot, another has other work. What such a one measured is
too long by as much as the reference program is, and somebody should look at it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from search.measure.fleet.tracker import Address

_LOG = logging.getLogger(__name__)

_EVERY = 8  # sessions with a server, between two looks at it
_SMALLEST = 1.05  # noise alone makes as much of it
_NOTICED = 1.25


@dataclass(slots=True)
class _Known:
    """What is known of a server."""

    sessions: int = 0  # since it ran the reference program
    secs: float | None = None  # that it took
    is_told: bool = False  # whether it was said that it is slow


class Speeds:
    """The speeds of servers. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Address, _Known] = {}
        self._best_secs = float("inf")

    def is_due(self, server: Address) -> bool:
        """Whether a server that begins a session should run the reference program in it."""
        with self._lock:
            known = self._known.setdefault(server, _Known())
            known.sessions += 1
            return known.secs is None or known.sessions > _EVERY

    def ran(self, server: Address, secs: float) -> None:
        """A server took so many seconds for the reference program."""
        with self._lock:
            known = self._known.setdefault(server, _Known())
            known.sessions, known.secs = 0, secs
            self._best_secs = min(self._best_secs, secs)
            times = secs / self._best_secs
            tells, known.is_told = times > _NOTICED and not known.is_told, times > _NOTICED
        if tells:
            _LOG.warning(
                "the server at %s is %.2f times slower than the fastest of its kind: is there other work on it?",
                server,
                times,
            )

    def drift(self, server: Address) -> float | None:
        """How many times slower than the fastest a server is; 1 where noise explains it, None where it is not known."""
        with self._lock:
            known = self._known.get(server)
            if known is None or known.secs is None:
                return None
            times = known.secs / self._best_secs
            return times if times > _SMALLEST else 1.0
