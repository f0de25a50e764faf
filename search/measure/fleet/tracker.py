"""What is said to TVM's RPC tracker: which servers there are, and which one is free.

TVM's own client asks for a server and waits for ever, on a socket without a time limit. This one speaks the same
messages, and waits as long as it is told.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tvm.rpc import base

from tunedb.errors import UsageError

_ANSWER_SECS = 10.0  # that a tracker may take for what it knows
_PRIORITY = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """As people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine gets there."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a tracker knows."""

    key: str
    address: Address


@dataclass(frozen=True, slots=True)
class Grant:
    """One session with a server, to be opened within seconds: later the server takes the word for it back."""

    address: Address
    match_key: str


class TrackerError(OSError):
    """A tracker cannot be reached, or does not speak as one."""


def parse_address(text: str) -> Address:
    """The address of a tracker, as a person writes it: HOST:PORT, with brackets around a host with colons.

    Raises:
        UsageError: It is none.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 1 << 16 or not host:
        raise UsageError(f"a tracker is HOST:PORT, such as 127.0.0.1:9190, not {text!r}")
    if (":" in host) != (host[:1] + host[-1:] == "[]"):
        raise UsageError(f"a host with colons stands in brackets, such as [::1]:9190, not {text!r}")
    return Address(host.strip("[]"), int(port))


class Tracker:
    """A tracker's clients: a connection for each question. Threads may share one.

    Args:
        address: Where the tracker listens.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def servers(self, keys: Sequence[str] | None = None) -> list[Server]:
        """The servers that are connected with the tracker, busy ones too.

        Args:
            keys: Only those of some keys.

        Raises:
            TrackerError: It cannot be reached.
        """
        with _Link(self.address) as link:
            link.send([base.TrackerCode.SUMMARY])
            answer = link.receive()
        try:
            listed = [
                Server(entry["key"].removeprefix("server:"), Address(str(entry["addr"][0]), int(entry["addr"][1])))
                for entry in answer[1]["server_info"]
            ]
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise TrackerError(f"what listens at {self.address} does not answer as a tracker of TVM") from error
        return [server for server in listed if keys is None or server.key in keys]

    def request(self, key: str) -> Request:
        """Stands in the queue for a server of a key.

        Raises:
            TrackerError: The tracker cannot be reached.
        """
        link = _Link(self.address)
        try:
            link.send([base.TrackerCode.REQUEST, key, "", _PRIORITY])
        except BaseException:
            link.close()
            raise
        return Request(key, link)


class Request:
    """A place in the queue for a server; made by `Tracker.request`. Closing it gives the place up."""

    def __init__(self, key: str, link: _Link) -> None:
        self.key, self._link = key, link

    def wait(self, secs: float) -> Grant | None:
        """The server, or None when none was free in time: then it may be waited for again.

        Raises:
            TrackerError: The tracker is gone.
        """
        if not self._link.has_answer(secs):
            return None
        answer = self._link.receive()
        try:
            host, port, match_key = answer[1]
            return Grant(Address(str(host), int(port)), str(match_key))
        except (TypeError, IndexError, ValueError) as error:
            raise TrackerError(f"the tracker gives no server but {answer!r}") from error

    def close(self) -> None:
        """Leaves the queue."""
        self._link.close()


class _Link:
    """A connection with a tracker, on which one question is asked."""

    def __init__(self, address: Address) -> None:
        self._address = address
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=_ANSWER_SECS)
        except OSError as error:
            raise TrackerError(f"no tracker answers at {address}: {error.strerror or error}") from error
        try:
            self._socket.sendall(struct.pack("<i", base.RPC_TRACKER_MAGIC))
            (magic,) = struct.unpack("<i", base.recvall(self._socket, 4))
        except OSError as error:
            self.close()
            raise TrackerError(f"what listens at {address} does not answer as a tracker of TVM") from error
        if magic != base.RPC_TRACKER_MAGIC:
            self.close()
            raise TrackerError(f"what listens at {address} is no tracker of TVM")

    def send(self, message: list[Any]) -> None:
        try:
            base.sendjson(self._socket, message)
        except OSError as error:
            raise self._lost(error) from error

    def receive(self) -> Any:
        try:
            return base.recvjson(self._socket)
        except (OSError, ValueError, struct.error) as error:
            raise self._lost(error) from error

    def has_answer(self, secs: float) -> bool:
        return bool(select.select([self._socket], [], [], secs)[0])

    def close(self) -> None:
        self._socket.close()

    def _lost(self, error: Exception) -> TrackerError:
        return TrackerError(f"the tracker at {self._address} is gone: {error}")

    def __enter__(self) -> _Link:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
