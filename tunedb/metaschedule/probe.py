"""Replays records in a child process, so that one that crashes TVM crashes only the child.

The child is started at the first question and kept: importing TVM takes a second, a replay a few milliseconds.
"""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import trace_id
from tunedb.records import Module, Trace
from tunedb.traces import validated_trace

_TIMEOUT_SECS = 60.0
_CACHED = 1024


class _Question(msgspec.Struct):
    module: Module
    trace: Trace


class _Answer(msgspec.Struct):
    script: str = ""
    error: str = ""


class _Child:
    """One child process, and what it has answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: OrderedDict[tuple[str, str], _Answer] = OrderedDict()

    def ask(self, module: Module, trace: Trace) -> str:
        key = (module.module_id, trace_id(trace))
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                answer = self._exchange(msgspec.json.encode(_Question(module, trace)))
                self._answers[key] = answer
                if len(self._answers) > _CACHED:
                    self._answers.popitem(last=False)
        if answer.error:
            raise BadInputError(answer.error)
        return answer.script

    def _exchange(self, question: bytes) -> _Answer:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(question + b"\n")
            process.stdin.flush()
            line = _line(process.stdout.fileno(), time.monotonic() + _TIMEOUT_SECS)
            return msgspec.json.decode(line, type=_Answer)
        except (OSError, ValueError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            self.stop(wait_secs=0.0 if late else 5.0)
            what = "takes too long" if late else f"ended the process that tried it (exit code {process.returncode})"
            return _Answer(error=f"replaying the record {what}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            program = f"import sys; sys.path[:] = {sys.path!r}; from tunedb.metaschedule.probe import serve; serve()"
            command = [sys.executable, "-P", "-c", program]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def stop(self, wait_secs: float = 0.0) -> None:
        """Ends the child; one that is ending by itself may take so long."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(wait_secs)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # a question that the child did not live to read
                    continue


def _line(descriptor: int, deadline: float) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            raise OSError("the child is gone")
        received += piece
    return received


_CHILD = _Child()
atexit.register(_CHILD.stop)


def probe(module: Module, trace: Trace) -> str:
    """Replays a trace on its module in a child process.

    Returns:
        The scheduled module as TVMScript.

    Raises:
        BadInputError: it does not replay, or crashes TVM, or takes longer than a minute.
    """
    return _CHILD.ask(module, trace)


def serve() -> None:
    """The child's program: answers each line on standard input by one on what was standard output."""
    from tunedb.metaschedule.convert import load_module, replay

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what TVM or LLVM print is no answer
    for line in sys.stdin.buffer:
        question = msgspec.json.decode(line, type=_Question)
        try:
            replayed = replay(load_module(question.module), validated_trace(question.trace))
            answer = _Answer(script=str(replayed.mod.script()))
        except BadInputError as error:
            answer = _Answer(error=str(error) or "it does not replay")
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()
