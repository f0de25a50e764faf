"""A tracker of TVM's and its servers on this machine, as real as on others, and killed as easily."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from search.measure.fleet.tracker import Address, Tracker
from tunedb.records import Target

_START_SECS = 300.0  # of a busy machine
# Without this, TVM binds threads of a server to cores that this test may not use.
_ENVIRONMENT = {**os.environ, "TVM_BIND_THREADS": "0", "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Loopback:
    """A tracker, and servers by the port that they listen on."""

    def __init__(self, port: int | None = None) -> None:
        self.address = Address("127.0.0.1", port or free_port())
        self.tracker = Tracker(self.address)
        self.servers: dict[int, subprocess.Popen[bytes]] = {}
        self._tracker = _started("tvm.exec.rpc_tracker", self.address.port)
        self._wait(lambda: self.tracker.servers(()) == [])

    def add(self, key: str = "box", number: int = 1) -> list[int]:
        """More servers, once the tracker knows them; gives their ports."""
        before = len(self.tracker.servers((key,)))
        ports = []
        for _ in range(number):
            port = free_port()
            at = ["--tracker", str(self.address), "--key", key]
            self.servers[port] = _started("tvm.exec.rpc_server", port, *at)
            ports.append(port)
        self._wait(lambda: len(self.tracker.servers((key,))) == before + number)
        return ports

    def kill(self, port: int) -> None:
        """Ends a server at once, with what it runs."""
        _end(self.servers.pop(port))

    def close(self) -> None:
        for process in (*self.servers.values(), self._tracker):
            _end(process)

    def end_tracker(self) -> None:
        _end(self._tracker)

    @staticmethod
    def _wait(is_there: Any) -> None:
        end = time.monotonic() + _START_SECS
        while True:
            with contextlib.suppress(OSError):
                if is_there():
                    return
            if time.monotonic() > end:
                raise TimeoutError("TVM's tracker or server has not started")
            time.sleep(0.1)


def _started(module: str, port: int, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--port", str(port), "--port-end", str(port + 1)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [*command, *options], env=_ENVIRONMENT, stdout=quiet, stderr=quiet, stdin=quiet, start_new_session=True
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def loopback(port: int | None = None) -> Iterator[Loopback]:
    made = Loopback(port)
    try:
        yield made
    finally:
        made.close()


def fleet(at: Loopback, target: Target, keys: tuple[str, ...] = ("box",), **options: Any) -> Any:
    from search.measure.device import Timing
    from search.measure.fleet.fleet import Fleet, FleetOptions

    return Fleet(target, FleetOptions(at.address, keys, **{"timing": Timing(repeat=2, min_repeat_ms=1), **options}))
