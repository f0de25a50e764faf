"""A child process in the eyes of its parent: started, asked, restarted, and its cause of death."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from tunedb.errors import ChildDiedError
from tunedb.processes import serving
from tunedb.processes.pipes import deadline_after, framed, read_message, write

_LAST_SECS = 1.0  # a process that crashed needs a moment until it has ended

Request = TypeVar("Request")
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use; the system ends one that takes more time, and refuses it more memory."""

    memory_bytes: int  # of address space
    cpu_secs: int


class Child(Generic[Request, Reply]):
    """A child process that is started when it is first asked, and again after it died.

    One thread at a time may ask it; any thread may close it.
    """

    def __init__(
        self,
        answer: Callable[[Iterator[Request]], Iterator[Reply]],
        request: type[Request],
        reply: type[Reply],
        *,
        limits: Limits | None = None,
        is_silent: bool = False,
    ) -> None:
        """Describes the child; nothing is started yet.

        Args:
            answer: a function at the top of a module, which the child imports by name. It goes through the requests as
                they come, and each reply is sent when it is yielded. An exception ends the child.
            request: the type of a request, at the top of a module as well.
            reply: the type of a reply.
            limits: the memory and time that the child may use, set before `answer` is imported; None for no limits.
            is_silent: whether what the child prints, errors included, is thrown away.
        """
        bounds = None if limits is None else (limits.memory_bytes, limits.cpu_secs)
        self._call = f"serve({_name(answer)!r}, {_name(request)!r}, {bounds})"
        self._is_silent = is_silent
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(reply)
        self._lock = threading.Lock()  # of what follows
        self._process: _Process | None = None
        self._is_waiting = False
        self._is_closed = False

    def ask(self, request: Request, timeout_secs: float | None = None) -> Reply:
        """Sends a request that has one reply, and waits for that.

        Args:
            request: the question.
            timeout_secs: the longest wait, the start of the child included; None to wait for ever.

        Returns:
            The reply.

        Raises:
            ChildDiedError: the child could not be started, ended, fell silent, answered nonsense or was closed.
        """
        deadline = deadline_after(timeout_secs)
        self._send(request, timeout_secs, deadline)
        return self._receive(timeout_secs, deadline)

    def send(self, request: Request, timeout_secs: float | None = None) -> None:
        """Sends a request whose replies, any number of them, are then read with `receive`.

        Args:
            request: the question.
            timeout_secs: the longest wait until the child has read it; None to wait for ever.

        Raises:
            ChildDiedError: the child could not be started, ended, fell silent or was closed.
        """
        self._send(request, timeout_secs, deadline_after(timeout_secs))

    def receive(self, timeout_secs: float | None = None) -> Reply:
        """Waits for the next reply to what was sent.

        Args:
            timeout_secs: the longest wait; None to wait for ever.

        Returns:
            The reply.

        Raises:
            ChildDiedError: the child ended, fell silent, answered nonsense or was closed, or nothing was sent to it.
        """
        return self._receive(timeout_secs, deadline_after(timeout_secs))

    def close(self) -> None:
        """Ends the child for good, whatever it is doing; a thread that waits for it gets `ChildDiedError`."""
        with self._lock:
            self._is_closed = True
            process = self._process
            if process is not None and self._is_waiting:
                process.kill()  # the thread that waits does the rest
                return
            self._process = None
        if process is not None:
            process.end()

    def _send(self, request: Request, timeout_secs: float | None, deadline: float | None) -> None:
        message = framed(self._encoder, request)
        with self._exchange(timeout_secs, starts=True) as process:
            write(process.requests, message, deadline)

    def _receive(self, timeout_secs: float | None, deadline: float | None) -> Reply:
        with self._exchange(timeout_secs, starts=False) as process:
            return self._decoder.decode(read_message(process.replies, deadline))

    @contextmanager
    def _exchange(self, timeout_secs: float | None, *, starts: bool) -> Iterator[_Process]:
        """Lends the process, and ends it if anything goes wrong: what it says next would answer another question."""
        process = self._begin(starts=starts)
        try:
            yield process
        except BaseException as error:
            is_closed = self._stop_waiting(keeps=False)
            is_late, is_lost = isinstance(error, TimeoutError), isinstance(error, EOFError | OSError)
            ending = process.end(wait_secs=_LAST_SECS if is_lost and not is_late else 0.0)
            if is_late:
                cause = f"no answer within {timeout_secs or 0.0:.0f} s"
            elif is_lost:
                cause = f"ended the process ({ending})"
            elif isinstance(error, msgspec.MsgspecError):
                cause = f"an answer that cannot be read ({error})"
            else:
                raise
            raise ChildDiedError("interrupted" if is_closed else cause) from error
        if self._stop_waiting(keeps=True):
            process.end()  # closed since the reply came

    def _begin(self, *, starts: bool) -> _Process:
        with self._lock:
            if self._is_closed:
                raise ChildDiedError("interrupted")
            if starts and (self._process is None or not self._process.is_running()):
                self._restart()
            if self._process is None:
                raise ChildDiedError("nothing was asked")
            self._is_waiting = True
            return self._process

    def _restart(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()
        path = [str(folder) for folder in sys.path]
        program = f"import sys; sys.path[:] = {path!r}; from {serving.__name__} import serve; {self._call}"
        try:
            self._process = _Process(program, is_silent=self._is_silent)
        except OSError as error:
            raise ChildDiedError(f"no process can be started: {error}") from error

    def _stop_waiting(self, *, keeps: bool) -> bool:
        """Gives the process back, to be kept for the next question or not; returns whether it was closed meanwhile."""
        with self._lock:
            self._is_waiting = False
            if self._is_closed or not keeps:
                self._process = None
            return self._is_closed


class Children(Generic[Request, Reply]):
    """Children of one kind: one for each thread that asks, closed together."""

    def __init__(self, make: Callable[[], Child[Request, Reply]]) -> None:
        """Takes what makes a child, which a thread calls when it first asks."""
        self._make = make
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[Child[Request, Reply]] = []
        self._is_closed = False

    def of_this_thread(self) -> Child[Request, Reply]:
        """The child of the calling thread, which is a closed one after `close`."""
        if not hasattr(self._local, "child"):
            self._local.child = self._make()
            with self._lock:
                self._all.append(self._local.child)
                is_closed = self._is_closed
            if is_closed:
                self._local.child.close()
        child: Child[Request, Reply] = self._local.child
        return child

    def close(self) -> None:
        """Ends all of them for good, whatever they are doing; threads that wait get `ChildDiedError`."""
        with self._lock:
            self._is_closed = True
            children = list(self._all)
        for child in children:
            child.close()


class _Process:
    """A running process and the parent's ends of its two pipes."""

    def __init__(self, program: str, *, is_silent: bool) -> None:
        theirs_in, self.requests = os.pipe()
        try:
            self.replies, theirs_out = os.pipe()
        except OSError:
            os.close(theirs_in)
            os.close(self.requests)
            raise
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-c", program, str(theirs_in), str(theirs_out)],
                pass_fds=(theirs_in, theirs_out),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if is_silent else 2,
                stderr=subprocess.DEVNULL if is_silent else None,
                start_new_session=True,  # a Ctrl-C is for the parent, which ends its children
            )
        except BaseException:
            os.close(self.requests)
            os.close(self.replies)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()

    def end(self, wait_secs: float = 0.0) -> str:
        """Ends it and says how it ended; one that is ending by itself may take so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(wait_secs)
        self._popen.kill()
        code = self._popen.wait()
        os.close(self.requests)
        os.close(self.replies)
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _name(of: Callable[..., Any]) -> str:
    return f"{of.__module__}:{of.__qualname__}"
