"""The one writer of a service: what is pushed waits in a queue, and what waits is committed together."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from tunedb.errors import StoreAwayError

_log = logging.getLogger(__name__)

_TOGETHER = 20_000  # trials of one commit
_GATHER_SECS = 0.1  # that a commit waits for as many pushes as the one before had: fewer and larger ones cost less
_TELL_SECS, _TELL_APART_SECS = 0.1, 0.003  # who pushed is told one by one: all at once would push again at once
_RETRY_SECS = 1.0


Pushed = TypeVar("Pushed")
Done = TypeVar("Done")


class Writer(Generic[Pushed, Done]):
    """Has pushes committed, in a thread of its own. Who hands one in is told when it is committed.

    Args:
        commit: commits pushes together, and says what became of each. It is first asked of none, to be ready.
        most_rows: how many trials may wait; beyond, nothing is taken.
        around: entered before a commit and left after it, before anybody is told.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Pushed]], Sequence[Done]],
        most_rows: int,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._commit, self._most_rows, self._around = commit, most_rows, around
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Pushed, int, Future[Done]]] = deque()
        self._rows = 0  # that wait or are being committed
        self._is_closed = False
        self._last, self._ended = 0, 0.0  # of how many pushes the last commit was, and when it ended
        self._told: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._teller = threading.Thread(target=self._tell, name="tunedb-teller", daemon=True)
        self._teller.start()
        self._thread = threading.Thread(target=self._run, name="tunedb-writer", daemon=True)
        self._thread.start()

    @property
    def queued_rows(self) -> int:
        """How many trials wait."""
        return self._rows

    @property
    def is_alive(self) -> bool:
        """Whether anything would be committed."""
        return self._thread.is_alive() and self._teller.is_alive()

    def submit(self, push: Pushed, rows: int) -> Future[Done]:
        """Takes a push of so many trials. What becomes of it, the future says.

        Raises:
            StoreAwayError: too much waits already, or the writer is closed; nothing was taken.
        """
        with self._changed:
            rows = max(1, rows)
            if self._is_closed or (self._rows and self._rows + rows > self._most_rows):
                raise StoreAwayError("too many trials wait to be stored: try again", retry_after_secs=_RETRY_SECS)
            future: Future[Done] = Future()
            self._waiting.append((push, rows, future))
            self._rows += rows
            self._changed.notify()
            return future

    def close(self) -> None:
        """Commits what waits, and ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        self._told.put(None)
        self._teller.join()

    def _run(self) -> None:
        try:
            self._commit([])
        except Exception as error:  # the first push hears of it
            _log.warning("nothing can be committed yet: %s", error)
        while taken := self._next():
            futures = [future for _, _, future in taken]
            try:
                with self._around():
                    told = list(zip(futures, self._commit([push for push, _, _ in taken]), strict=True))
            except Exception as error:  # whatever it was, those who wait must hear of it
                tell = [partial(future.set_exception, error) for future in futures if not future.cancelled()]
            else:
                tell = [partial(future.set_result, one) for future, one in told if not future.cancelled()]
            self._ended = time.monotonic()
            with self._changed:
                self._rows -= sum(rows for _, rows, _ in taken)
            self._told.put(partial(_one_by_one, tell))

    def _tell(self) -> None:
        while (tell := self._told.get()) is not None:
            tell()

    def _next(self) -> list[tuple[Pushed, int, Future[Done]]]:
        """What is committed next, together; nothing when the writer is closed and all is done."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            while self._last > len(self._waiting) and not self._is_closed and self._rows < _TOGETHER:
                left = self._ended + _GATHER_SECS - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            taken: list[tuple[Pushed, int, Future[Done]]] = []
            rows = 0
            while self._waiting and (not taken or rows + self._waiting[0][1] <= _TOGETHER):
                taken.append(self._waiting.popleft())
                rows += taken[-1][1]
                taken[-1][2].set_running_or_notify_cancel()  # from now on nobody can call it off
            self._last = len(taken)
            return taken


def _one_by_one(tell: Sequence[Callable[[], None]]) -> None:
    """Makes some calls, not all at once."""
    pause = min(_TELL_APART_SECS, _TELL_SECS / max(1, len(tell)))
    for place, one in enumerate(tell):
        if place:
            time.sleep(pause)
        one()
