"""The servers of a fleet: which there are, which is free, and what happens when there are none.

Time in the queue is never held against a program. Only where no server is left, or none of those that the tracker
knows can be reached, the fleet gives up, after the time that it was given.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence

from search.measure.fleet.tracker import Address, Grant, Request, Server, Tracker, TrackerError
from tunedb.errors import UnreachableError

_LOG = logging.getLogger(__name__)

_LOOK_SECS = 0.5  # between two looks at what the tracker knows, while nothing is free
_DEATH_SECS = 0.3  # that a tracker may take to notice that a server ended


class Servers:
    """The servers of some keys. Threads may share it.

    Args:
        tracker: The tracker that knows them.
        keys: The keys whose servers are used.
        wait_secs: How long there may be no server before the fleet gives up.
    """

    def __init__(self, tracker: Tracker, keys: Sequence[str], wait_secs: float) -> None:
        self._tracker, self._keys, self._wait_secs = tracker, tuple(keys), wait_secs
        self._lock = threading.Lock()  # guards all below
        self._asked: Counter[str] = Counter()  # by key: requests and sessions of ours under way
        self._missing_since: float | None = None  # when there was no server first
        self._refused_since: float | None = None  # when those that there are could not be reached first
        self._left_out: set[Address] = set()

    def listed(self) -> list[Server]:
        """Those that are there now, without those that were left out.

        Raises:
            UnreachableError: The tracker cannot be reached.
        """
        try:
            found = self._tracker.servers(self._keys)
        except TrackerError as error:
            raise UnreachableError(str(error)) from error
        with self._lock:
            return [server for server in found if server.address not in self._left_out]

    def take(self, stop: threading.Event, key: str | None = None) -> tuple[str, Grant] | None:
        """A session with a server, and its key, as soon as one is free; `give_back` is to be called once it is over.

        Args:
            stop: When set, nothing is waited for any longer.
            key: Only a server of this key; None is of any.

        Returns:
            The key and the session; None when `stop` was set.

        Raises:
            UnreachableError: There was no server for too long.
        """
        request: Request | None = None
        try:
            while not stop.is_set():
                try:
                    if request is None:
                        request = self._request(key)
                    grant = None if request is None else request.wait(_LOOK_SECS)
                    if grant is not None and request is not None:
                        taken, request = request, None
                        taken.close()
                        if grant.address in self._left_out:
                            self._end(taken.key)
                            stop.wait(_LOOK_SECS)  # the server offers itself anew, to somebody else perhaps
                            continue
                        return taken.key, grant
                    known = {server.key for server in self._tracker.servers()}
                    still = known & set(self._keys)
                    if request is not None and request.key not in still:  # nobody would ever answer
                        self._give_up(request)
                        request = None
                    problem = self._nobody(known) if not still else ""
                except TrackerError as error:
                    self._give_up(request)
                    request, problem = None, str(error)
                self._note(problem)
                if request is None:
                    stop.wait(_LOOK_SECS)
            return None
        finally:
            self._give_up(request)

    def give_back(self, key: str) -> None:
        """A session is over."""
        self._end(key)

    def reached(self) -> None:
        """A server answered."""
        with self._lock:
            self._refused_since = None

    def refused(self, server: Address, problem: str) -> None:
        """A server that the tracker knows could not be reached.

        Raises:
            UnreachableError: None could be for too long.
        """
        now = time.monotonic()
        with self._lock:
            is_first = self._refused_since is None
            self._refused_since = now if self._refused_since is None else self._refused_since
            waited = now - self._refused_since
        if is_first:
            _LOG.warning("the server at %s cannot be reached: %s", server, problem)
        if waited > self._wait_secs:
            raise UnreachableError(
                f"no server of {_named(self._keys)} could be reached for {waited:.0f} s, the last at {server}: "
                f"{problem} (is that address the one to reach it at? A server is told with --custom-addr)"
            )
        time.sleep(min(_LOOK_SECS, self._wait_secs))

    def leave_out(self, server: Address, reason: str) -> None:
        """Uses a server no longer."""
        with self._lock:
            is_new = server not in self._left_out
            self._left_out.add(server)
        if is_new:
            _LOG.warning("the server at %s is left out: %s", server, reason)

    def is_alive(self, server: Address) -> bool:
        """Whether a server is still connected with the tracker, now that one of its sessions has ended."""
        for _ in range(2):  # a tracker needs a moment to notice
            time.sleep(_DEATH_SECS)
            try:
                if server not in {one.address for one in self._tracker.servers(self._keys)}:
                    return False
            except TrackerError:
                return False
        return True

    def _nobody(self, known: Collection[str]) -> str:
        """What is said where the tracker knows servers of other keys only."""
        others = f" (it has servers of {_named(sorted(known))})" if known else ""
        return f"the tracker {self._tracker.address} has no server of {_named(self._keys)}{others}"

    def _request(self, key: str | None) -> Request | None:
        """A place in the queue of the key with the most servers for those who wait; None where there is no server."""
        numbers = Counter(server.key for server in self._tracker.servers(self._keys))
        with self._lock:
            wanted = [one for one in self._keys if numbers[one] and key in (None, one)]
            if not wanted:
                return None
            chosen = max(wanted, key=lambda one: numbers[one] / (1 + self._asked[one]))
            self._asked[chosen] += 1
        try:
            return self._tracker.request(chosen)
        except TrackerError:
            self._end(chosen)
            raise

    def _give_up(self, request: Request | None) -> None:
        if request is not None:
            request.close()
            self._end(request.key)

    def _end(self, key: str) -> None:
        with self._lock:
            self._asked[key] -= 1

    def _note(self, problem: str) -> None:
        """Says so when there is nobody, and gives up in the end; "" is that there is somebody."""
        now = time.monotonic()
        with self._lock:
            is_first = bool(problem) and self._missing_since is None
            if not problem:
                self._missing_since = None
                return
            self._missing_since = now if self._missing_since is None else self._missing_since
            waited = now - self._missing_since
        if is_first:
            _LOG.warning("%s: waiting %g s for one (--wait)", problem, self._wait_secs)
        if waited >= self._wait_secs:
            raise UnreachableError(f"{problem}, for {waited:.0f} s (--wait waits longer)")


def _named(keys: Sequence[str]) -> str:
    return f"{'key' if len(keys) == 1 else 'keys'} {', '.join(keys)}"
