"""What a service is told when it starts: where it listens, who may ask, and how much of everything at most."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunedb.errors import UsageError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken at most; more is refused with 413, 429 or 503."""

    body_bytes: int = 32 << 20
    file_bytes: int = 256 << 20  # of a model's file
    body_secs: float = 60.0  # in which a request must have come
    rows: int = 20_000  # trials of a push
    queued_rows: int = 100_000  # that wait to be committed
    json_depth: int = 64  # of a trace's JSON
    requests_per_sec: float = 500.0  # of one token, or one address without
    burst: int = 1_000
    streams: int = 16  # that are open at once
    stream_secs: float = 60.0  # that a stream waits for its reader


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a service listens, and to whom."""

    state: Path  # the folder of tokens and the audit log
    host: str = "127.0.0.1"
    port: int = 8077
    names: tuple[str, ...] = ()  # other names by which it is reached: of a proxy
    certificate: Path | None = None
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    commits_beside: bool = True  # whether a store in a folder is appended to by a process beside the service's

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in _LOOPBACK

    def hosts(self) -> frozenset[str]:
        """The names that a request may have in its `Host`, without ports."""
        own: Sequence[str] = _LOOPBACK if self.is_local or self.host in _ANY else (self.host,)
        names = (socket.gethostname(), socket.getfqdn()) if self.host in _ANY else ()
        return frozenset(name.lower() for name in (*own, *names, *self.names))

    def check(self, num_tokens: int) -> None:
        """Whether a service may start with these.

        Raises:
            UsageError: others could reach it, and it has no token; or a certificate has no key.
        """
        if not self.is_local and not num_tokens:
            raise UsageError(f"others can reach {self.host}, and there is no token: `tunedb token create NAME` first")
        if (self.certificate is None) != (self.key is None):
            raise UsageError("TLS takes both --certificate and --key")
