"""A measuring machine's server: TVM's own, in a process of its own, kept alive.

TVM's server ends its listening when the process of a session ends badly, as that of a program that crashes does; its
own process then stays, and does nothing. Here a session that ended badly costs that session. The process ends with its
listening, and is started again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.measure import nvrtc
from search.measure.cores import bind_to, keep_threads_in_place
from search.measure.fleet.tracker import Address, Tracker
from search.measure.fleet.watching import watched
from tunedb.errors import MeasurementError

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE_SECS, _LONGEST_PAUSE_SECS = 1.0, 60.0
_LONG_ENOUGH_SECS = 60.0  # after which a server that ended is no sign of a server that cannot be started
_LOOK_SECS = 0.2
_PROGRAM = f"""
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from {__name__} import serve
serve(sys.argv[1])
"""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server offers, and to whom."""

    tracker: Address
    key: str
    host: str = "127.0.0.1"  # that it listens on
    port: int = 9090
    port_end: int = 9199  # the first port above those that it may take
    custom_address: str | None = None  # that the tracker is told; None: the one that it is called from
    cores: tuple[int, ...] = ()  # that programs run on; none for all


class Agent:
    """Keeps a server alive.

    Args:
        options: What it offers.
        on_note: Told what happens, for people.
    """

    def __init__(self, options: ServerOptions, on_note: Callable[[str], None]) -> None:
        self._options, self._note = options, on_note
        self.restarts = 0

    def run(self, stop: threading.Event, limit_secs: float | None = None) -> None:
        """Serves until it is told to stop.

        Args:
            stop: Ends it, with the server.
            limit_secs: Ends it after so long, too.

        Raises:
            MeasurementError: No server can be started.
        """
        with watched(Tracker(self._options.tracker), self._options.key, self._note):
            self._keep_alive(stop, limit_secs)

    def _keep_alive(self, stop: threading.Event, limit_secs: float | None) -> None:
        pause, started = _FIRST_PAUSE_SECS, time.monotonic()
        while True:
            began = time.monotonic()
            process = _started(self._options)
            try:
                while process.poll() is None:
                    if stop.wait(_LOOK_SECS) or (limit_secs and time.monotonic() - started > limit_secs):
                        return
            finally:
                _end(process)
            lived = time.monotonic() - began
            if process.returncode == _CANNOT_START:
                raise MeasurementError(
                    f"no server can be started on {self._options.host}: it is no address of this machine, or the ports "
                    f"from {self._options.port} on are taken"
                )
            pause = _FIRST_PAUSE_SECS if lived > _LONG_ENOUGH_SECS else min(2 * pause, _LONGEST_PAUSE_SECS)
            self.restarts += 1
            self._note(f"the server ended (status {process.returncode}); it is started again in {pause:g} s")
            if stop.wait(pause):
                return


_CANNOT_START = 71


def _started(options: ServerOptions) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(asdict(options)), json.dumps(sys.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server and the sessions that it has."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def serve(options_json: str) -> None:
    """What the process of a server does: it ends with its listening, or with the one who started it."""
    told = json.loads(options_json)
    cores = tuple(told["cores"])
    if cores:
        bind_to(cores)
    os.environ.setdefault("TVM_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    keep_threads_in_place()
    from tvm.rpc import server
    from tvm.support import nvcc  # noqa: F401  # compiles kernels that come as source, where a GPU is

    nvrtc.prepare()
    server._serving = _careful(server._serving)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        state = server.PopenRPCServerState(
            told["host"],
            told["port"],
            told["port_end"],
            tracker_addr=(told["tracker"]["host"], told["tracker"]["port"]),
            key=told["key"],
            custom_addr=told["custom_address"],
            silent=True,
        )
    except (OSError, ValueError) as error:
        _LOG.error("%s", error)
        os._exit(_CANNOT_START)
    state.thread.join()
    os._exit(1)


def _careful(serving: Callable[..., None]) -> Callable[..., None]:
    """TVM's way to serve a session, after which the next one can be served whatever happened in it."""

    def served(sock: Any, *args: Any) -> None:
        folder = Path.cwd()
        try:
            serving(sock, *args)
        except Exception as error:  # its process ended badly, as when a program crashes, or nobody listens any longer
            _LOG.info("a session ended badly: %s", error)
            os.chdir(folder)
            sock.close()

    return served


def _end_with_parent() -> None:
    # Nothing ever comes, until the other end is closed. A read of `sys.stdin` would lock it, in sessions too, which are
    # forked and close it first.
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
