"""Calls functions of `search.measure.fleet.sessions` in sessions with servers, each in a child process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from search.measure import workers
from search.measure.fleet.servers import Servers
from search.measure.fleet.sessions import Answer, Place, Stage
from search.measure.fleet.tracker import Address, Grant
from search.measure.zygote import ForkedPool
from tunedb.errors import last_line
from tunedb.records import Target

MOST_PARALLEL = 256
_SEND_SECS = 10.0  # that connecting, sending and loading may take
_SILENT_SECS = 10.0  # after the end of a session, when nothing more is expected of a server


class Calls:
    """Sessions with servers. Threads may share it.

    Args:
        servers: Those that there are.
        target: What their programs are built for.
        run_secs: That a program may run in a session.
        machine_library: Gives the path of the library that prepares servers.
    """

    def __init__(self, servers: Servers, target: Target, run_secs: float, machine_library: Callable[[], str]) -> None:
        self._servers, self._target, self._run_secs = servers, target, run_secs
        self._machine_library = machine_library
        self._pool = ForkedPool(max_workers=MOST_PARALLEL, timeout=None)

    def in_session(
        self, plan: Callable[[Address], tuple[Any, ...]], stop: threading.Event, key: str | None = None
    ) -> tuple[Address, list[Answer]] | None:
        """Calls a function in a session with a server, as soon as one is free.

        Args:
            plan: What is called with a server: the function, and its arguments after the place.
            stop: When set, nothing is waited for.
            key: Only with a server of this key.

        Returns:
            The server, and what came of it; None when `stop` was set.

        Raises:
            UnreachableError: There is no server, or none can be reached.
        """
        while True:
            taken = self._servers.take(stop, key)
            if taken is None:
                return None
            its_key, grant = taken
            try:
                answers = self._called(grant, *plan(grant.address))
            finally:
                self._servers.give_back(its_key)
            if answers[0].stage is not Stage.CONNECT:
                self._servers.reached()
                return grant.address, answers
            self._servers.refused(grant.address, answers[0].error)

    def close(self) -> None:
        """Ends the child processes."""
        self._pool.shutdown(wait=False)

    def _called(self, grant: Grant, function: Any, *args: Any) -> list[Answer]:
        place = Place(
            grant.address.host,
            grant.address.port,
            grant.match_key,
            _SEND_SECS,
            self._run_secs,
            self._target.num_cores or 1,
            workers.device_type(self._target.kind),
            self._machine_library(),
        )
        limit = place.limit_secs + _SILENT_SECS
        try:
            return list(self._pool.submit_before(limit, function, place, *args).result())
        except TimeoutError:
            return [Answer(Stage.SEND, (), f"it has said nothing for {limit:g} s", True, limit)]
        except Exception as error:  # the child crashed
            return [Answer(Stage.SEND, (), last_line(error), True)]
