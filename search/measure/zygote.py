"""Worker processes that are ready at once: forks of one process that has imported TVM and nothing else.

TVM takes most of a second of a core to import, and a run needs a builder and a runner, and new ones after each crash
and time-out. This process imports it once and forks itself on request; it holds no store, no model and no thread of
ours, so that a fork of it is safe where one of the tuning process would not be. A command that has done nothing else
so far may fork it from itself (`prepare`), so that TVM is imported once for both. Workers are TVM's own: only how
they come to be differs.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from tvm.support.popen_pool import PopenPoolExecutor, PopenWorker

from search.measure.last_words import LastWords, cause_of_death

_PID = struct.Struct("<i")
# Modules come from where this process has them, and not from the folder that it was started in.
_PROGRAM = f"""
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from {__name__} import serve
serve(int(sys.argv[1]))
"""


class _Zygote:
    """The process that forks workers; started by the first, and again should it die."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | _Forked | None = None
        self._socket: socket.socket | None = None
        atexit.register(self.close)

    def fork_from_here(self) -> None:
        """Starts it as a fork of this process, unless it runs or this process has other threads."""
        with self._lock:
            if self._process is not None or threading.active_count() > 1:
                return
            _import_what_workers_need()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
            if pid == 0:
                ours.close()
                _begin_anew()
                try:
                    serve(theirs.detach())
                finally:
                    os._exit(0)
            theirs.close()
            self._process, self._socket = _Forked(pid, is_child=True), ours

    def start(self) -> None:
        """Starts it, unless it runs; does not wait for it."""
        with self._lock:
            self._running()

    def fork(self, read_fd: int, write_fd: int, error_fd: int) -> int:
        """A worker that is spoken to by two pipes, and complains to a file; returns its process id.

        Raises:
            ChildProcessError: it cannot be started.
        """
        with self._lock:
            for _ in range(2):  # it may have been killed since it was asked last
                link = self._running()
                try:
                    socket.send_fds(link, [b"fork"], [read_fd, write_fd, error_fd])
                    answer = link.recv(_PID.size)
                except OSError:
                    answer = b""
                if len(answer) == _PID.size:
                    return int(_PID.unpack(answer)[0])
                self._end()
        raise ChildProcessError("no worker process can be started")

    def close(self) -> None:
        """Ends it; workers end with their pipes."""
        with self._lock:
            self._end()

    def _running(self) -> socket.socket:
        if self._socket is None or self._process is None or self._process.poll() is not None:
            self._end()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)]
                self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
            self._socket = ours
        return self._socket

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None


_ZYGOTE = _Zygote()


class _Forked:
    """What `PopenWorker` asks of a `subprocess.Popen`, of a process that `subprocess` did not start."""

    def __init__(self, pid: int, *, is_child: bool = False) -> None:
        self.pid = pid
        self._is_child = is_child
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended already
            self._descriptor = None

    def poll(self) -> int | None:
        """0 when it has ended, None while it runs."""
        return 0 if self._has_ended(0.0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: It has not ended in time.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return 0

    def kill(self) -> None:
        """Ends it."""
        if self._descriptor is not None and not self._has_ended(0.0):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        if self._descriptor is None or not select.select([self._descriptor], [], [], timeout)[0]:
            return self._descriptor is None
        os.close(self._descriptor)
        self._descriptor = None
        if self._is_child:
            os.waitpid(self.pid, 0)
        return True

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class ForkedWorker(PopenWorker):
    """TVM's worker, forked."""

    _proc: _Forked | None
    _remaining_uses: int | None
    _said: LastWords | None = None

    def send(self, fn: Any, args: Any = (), kwargs: Any = None, timeout: float | None = None) -> None:
        """Sends a task; see TVM's."""
        if self._said is not None:
            self._said.forget()
        super().send(fn, args, kwargs, timeout)

    def kill(self) -> None:
        """Ends the process."""
        super().kill()
        if self._said is not None:
            self._said.close()
            self._said = None

    def __del__(self) -> None:
        """Ends the process, if nobody has; a pool that was closed while it started may have closed its pipes."""
        with contextlib.suppress(ImportError, OSError):
            self.kill()

    def _child_process_error(self) -> ChildProcessError:
        said = self._said.read() if self._said is not None else ""
        self.kill()
        return ChildProcessError(cause_of_death(said))

    def stay(self) -> None:
        """Is not replaced before the next task."""
        if self._remaining_uses == 0:
            self._remaining_uses = 1

    def _start(self) -> None:
        if self._proc is not None:
            return
        main_read, worker_write = os.pipe()
        worker_read, main_write = os.pipe()
        self._said = LastWords()
        try:
            process = _Forked(_ZYGOTE.fork(worker_read, worker_write, self._said.descriptor))
        except BaseException:
            os.close(main_read)
            os.close(main_write)
            raise
        finally:
            os.close(worker_read)
            os.close(worker_write)
        self._reader = os.fdopen(main_read, "rb")
        self._writer = os.fdopen(main_write, "wb")
        self._proc = process  # the last: who closes the pool meanwhile ends what has a process, and needs all of it


class ForkedPool(PopenPoolExecutor):
    """TVM's pool of processes, of forked workers."""

    _timeout: float | None
    _threadpool: Executor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _ZYGOTE.start()

    @property
    def timeout_secs(self) -> float | None:
        """Longest task from now on."""
        return self._timeout

    @timeout_secs.setter
    def timeout_secs(self, secs: float | None) -> None:
        self._timeout = secs

    def submit_before(self, timeout_secs: float, fn: Any, *args: Any) -> Future[Any]:
        """Submits a task of so many seconds at most."""
        return self._threadpool.submit(self._worker_run, fn, args, {}, timeout_secs)

    def submit_next(self, timeout_secs: float, fn: Any, *args: Any) -> Future[Any]:
        """Submits one to the very process of the one before, of a pool of one, which may have left something."""
        return self._threadpool.submit(self._worker_run, fn, args, {}, timeout_secs, stays=True)

    def renew(self) -> None:
        """Ends the process of a pool of one, so that the next task has a fresh one."""
        self._threadpool.submit(self._end_worker)

    def _end_worker(self) -> None:
        with self._lock:
            worker = self._worker_map.get(threading.get_ident())
        if worker is not None:
            worker.kill()

    def _worker_run(
        self, fn: Any, args: Any, kwargs: Any, timeout_secs: float | None = None, *, stays: bool = False
    ) -> Any:
        with self._lock:
            thread = threading.get_ident()
            if thread not in self._worker_map:
                self._worker_map[thread] = ForkedWorker(
                    self._initializer, self._initargs, self._maximum_process_uses, self._stdout, self._stderr
                )
            worker = self._worker_map[thread]
        if stays:
            worker.stay()
        worker.send(fn, args, kwargs, self._timeout if timeout_secs is None else timeout_secs)
        return worker.recv()


def prepare() -> None:
    """Imports TVM and forks the process from this one, for the runs that follow in it.

    To be called before anything that has threads: stores have. Where it is too late, nothing is done, and a run starts
    a process that imports TVM by itself.
    """
    _ZYGOTE.fork_from_here()


def _complain_to(descriptor: int) -> None:
    """Lets this process, and what it runs, write what goes wrong to a file; how it dies too."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.enable(file=2, all_threads=False)


def _begin_anew() -> None:
    """Lets go of what a fork has of its parent's, but for modules."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _import_what_workers_need() -> None:
    import tvm.s_tir.meta_schedule.builder.local_builder
    import tvm.s_tir.meta_schedule.runner.local_runner  # noqa: F401

    from search.measure import workers  # noqa: F401
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for("llvm", ("arm_cpu",) if platform.machine() == "aarch64" else ("cpu",))


def serve(descriptor: int) -> None:
    """Forks a worker for each request that comes through a socket, until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the one who asks
    _import_what_workers_need()
    from tvm.exec import popen_worker

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers here
    with socket.socket(fileno=descriptor) as link:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(link, 16, 3)
            if not asked:
                return
            pid = os.fork()
            if pid == 0:
                link.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a builder waits for the linker
                _complain_to(descriptors.pop())
                sys.argv = ["popen_worker", *map(str, descriptors)]
                try:
                    popen_worker.main()
                finally:
                    os._exit(0)
            for one in descriptors:
                os.close(one)
            link.send(_PID.pack(pid))
