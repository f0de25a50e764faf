"""Replay of records in a child process, so that one that crashes TVM crashes only the child.

The child is started at the first question and kept: importing TVM takes a second, a replay a few milliseconds.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from tunedb.errors import BadInputError, ChildDiedError
from tunedb.identity import trace_id
from tunedb.processes import Child
from tunedb.records import Module, Trace
from tunedb.traces import validated_trace

_TIMEOUT_SECS = 60.0
_CACHED = 1024


class Question(msgspec.Struct):
    """A trace, and the module that it is to be replayed on."""

    module: Module
    trace: Trace


class Answer(msgspec.Struct):
    """The scheduled module as TVMScript, or why there is none."""

    script: str = ""
    error: str = ""


def replay_each(questions: Iterator[Question]) -> Iterator[Answer]:
    """What the child does: replays each trace that it is sent."""
    from tunedb.metaschedule.convert import load_module, replay

    for question in questions:
        try:
            replayed = replay(load_module(question.module), validated_trace(question.trace))
            yield Answer(script=str(replayed.mod.script()))
        except BadInputError as error:
            yield Answer(error=str(error) or "it does not replay")


class _Prober:
    """The child, and what it has answered; threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child = Child(replay_each, Question, Answer)
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self.close = self._child.close

    def ask(self, module: Module, trace: Trace) -> str:
        key = (module.module_id, trace_id(trace))
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                try:
                    answer = self._child.ask(Question(module, trace), _TIMEOUT_SECS)
                except ChildDiedError as error:
                    answer = Answer(error=f"replaying the record: {error}")
                self._answers[key] = answer
                if len(self._answers) > _CACHED:
                    self._answers.popitem(last=False)
        if answer.error:
            raise BadInputError(answer.error)
        return answer.script


_PROBER = _Prober()
atexit.register(_PROBER.close)


def probe(module: Module, trace: Trace) -> str:
    """Replays a trace on its module in a child process.

    Args:
        module: the module that the trace was recorded with.
        trace: the trace, from anywhere.

    Returns:
        The scheduled module as TVMScript.

    Raises:
        BadInputError: it does not replay, or crashes TVM, or takes longer than a minute.
    """
    return _PROBER.ask(module, trace)
