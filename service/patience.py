"""How long a connection may take to say what it wants, and how many there may be: slow clients are let go of.

uvicorn waits for ever for the head of a request. What comes after the head, the guard times.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECS = 10.0
_SPARED_FILES = 256  # that the store needs open


def most_connections() -> int:
    """How many connections there may be, by the files that this process may have open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, files - _SPARED_FILES)


class PatientProtocol(H11Protocol):
    """A connection, which is closed where the head of a request is not there in time, or too many are open."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            transport.close()
            return
        self._time()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._time()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _time(self) -> None:
        """Begins to wait for a head, or goes on waiting; stops where it is there."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECS, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
