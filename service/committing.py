"""What becomes of pushes: read, looked at, and committed together, in a process beside the service's or in its own.

A commit is work for the interpreter, and would hold up whoever asks meanwhile. In a process beside it cannot. That one
is started anew where it ended; what it had not acknowledged is then to be sent again, which is harmless.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
from typing_extensions import override

from service.incoming import TooMuchError, checked
from service.memory import few_heaps, give_back_now_and_then
from tunedb.errors import ChildDiedError, StoreAwayError, TunedbError, UsageError
from tunedb.processes import Child
from tunedb.records import AppendReport
from tunedb.store.batch import Batch
from tunedb.store.contract import Store
from tunedb.store.http import wire
from tunedb.store.http.problems import problem, status_of

_log = logging.getLogger(__name__)

_NICE = 5  # of the process beside: who asks comes first
_RETRY_SECS = 1.0


class Pushed(msgspec.Struct, array_like=True):
    """A push as it came."""

    content: bytes
    is_json: bool = False
    sender: str = ""  # the name of its token
    most_rows: int = 20_000
    depth: int = 64


class Refusal(msgspec.Struct, array_like=True):
    """Why something was not done: a problem document with its status."""

    status: int
    document: bytes
    retry_after_secs: float | None = None


class _Outcome(msgspec.Struct, array_like=True):
    """What became of a push: one of the two."""

    report: AppendReport | None = None
    refusal: Refusal | None = None


class _Work(msgspec.Struct, array_like=True):
    """What the process beside is told: pushes to commit; at last, that there will be no more."""

    store: str
    pushes: list[Pushed] = []
    is_last: bool = False


Done = AppendReport | Refusal


def refusal_of(error: TunedbError) -> Refusal:
    """What an error of ours is answered with."""
    status = 413 if isinstance(error, TooMuchError) else status_of(error)
    wait = (error.retry_after_secs or 5.0) if isinstance(error, StoreAwayError) else None
    return Refusal(status, msgspec.json.encode(problem(error, status)), wait)


class _Counted(msgspec.Struct):
    trials: list[msgspec.Raw] = []


def num_rows(push: Pushed) -> int:
    """How many trials a push has, by a first look at it.

    Raises:
        BadInputError: it is no push.
    """
    if push.is_json:
        return len(wire.decode_json(push.content, _Counted, "the push").trials)
    return len(wire.decode(push.content, _Counted, "the push").trials)


def committed(store: Store, pushes: Sequence[Pushed]) -> list[Done]:
    """Commits pushes together: those that can be. What is wrong with one costs no other anything."""
    done: dict[int, Done] = {}
    batches: dict[int, Batch] = {}
    for place, push in enumerate(pushes):
        try:
            batches[place] = _batch(push)
        except TunedbError as error:
            done[place] = refusal_of(error)
        else:
            if batches[place].is_empty():
                done[place] = AppendReport()
                del batches[place]
    if batches:
        done.update(zip(batches, _appended(store, list(batches.values())), strict=True))
    return [done[place] for place in range(len(pushes))]


def _batch(push: Pushed) -> Batch:
    if push.is_json:
        given = wire.decode_json(push.content, wire.JsonPush, "the push").push()
    else:
        given = wire.decode(push.content, wire.Push, "the push")
    return checked(given, push.sender, most_rows=push.most_rows, depth=push.depth)


def _appended(store: Store, batches: list[Batch]) -> list[Done]:
    try:
        return list(store.append_batches(batches))
    except UsageError as error:
        if len(batches) == 1:
            return [refusal_of(error)]
        return [_appended(store, [batch])[0] for batch in batches]  # one of them is to blame, and it alone
    except TunedbError as error:
        return [refusal_of(error)] * len(batches)
    except Exception as error:  # whatever it was, those who wait must hear of it
        _log.error("an append failed", exc_info=error)
        document = {"type": "urn:tunedb:error:unexpected", "title": "Unexpected", "status": 500, "kind": "unexpected"}
        told = msgspec.json.encode({**document, "detail": "the service failed at this; its log says why"})
        return [Refusal(500, told)] * len(batches)


class Committer(Protocol):
    """Commits pushes; one thread at a time asks it."""

    def commit(self, pushes: Sequence[Pushed]) -> list[Done]:
        """What became of each. None at all: to be ready for the first."""

    def close(self) -> None:
        """Lets go of what it has."""


class Here(Committer):
    """Commits in this process.

    Args:
        store: the store, which stays open.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @override
    def commit(self, pushes: Sequence[Pushed]) -> list[Done]:
        return committed(self._store, pushes)

    @override
    def close(self) -> None:
        pass


class Beside(Committer):
    """Commits in a process beside this one.

    Args:
        store: the folder of the store.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._child = Child(_serve, _Work, _Answer)

    @override
    def commit(self, pushes: Sequence[Pushed]) -> list[Done]:
        try:
            outcomes = self._child.ask(_Work(self._store, list(pushes))).outcomes
        except ChildDiedError as error:
            _log.warning("the process that commits ended: %s", error)
            if len(pushes) > 1:  # one of them may be to blame
                return [self.commit([push])[0] for push in pushes]
            away = StoreAwayError("the commit was broken off: send it again", retry_after_secs=_RETRY_SECS)
            return [refusal_of(away)] * len(pushes)
        found = [outcome.report or outcome.refusal for outcome in outcomes]
        assert len(found) == len(pushes)
        return [one for one in found if one is not None]

    @override
    def close(self) -> None:
        with suppress(ChildDiedError):
            self._child.ask(_Work(self._store, is_last=True))
        self._child.close()


class _Answer(msgspec.Struct, array_like=True):
    outcomes: list[_Outcome]


def _serve(work: Iterator[_Work]) -> Iterator[_Answer]:
    """What the process beside does. It ends when the service does, after the commit that it is at."""
    from tunedb.store.delta.store import DeltaStore

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who ends a service's processes together means the service
    os.nice(_NICE)
    few_heaps()
    give_back_now_and_then()
    store: DeltaStore | None = None
    for one in work:
        done: list[Done] = []
        try:
            store = store or DeltaStore(one.store, create=False)
        except TunedbError as error:
            done = [refusal_of(error)] * len(one.pushes)
        else:
            with _alone(one.store):
                done = committed(store, one.pushes)
        if one.is_last and store is not None:
            store.close()
            store = None
        yield _Answer([_Outcome(refusal=row) if isinstance(row, Refusal) else _Outcome(row) for row in done])


@contextmanager
def _alone(store: str) -> Iterator[None]:
    """Waits for the commit that an earlier service's process is at: what is sent again then is known."""
    with ExitStack() as held:
        with suppress(OSError):  # what is in the way of the lock is in the way of the commit, which says so
            file = held.enter_context(Path(store, ".service.lock").open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
