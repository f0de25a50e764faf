"""The one writer of a service: what is pushed waits in a queue, and what waits is committed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from tunedb.errors import StoreAwayError, UsageError
from tunedb.records import AppendReport
from tunedb.store.batch import Batch
from tunedb.store.contract import Store

_TOGETHER = 20_000  # trials of one commit
_APART_SECS = 0.1  # commits begin so far apart while several push at once: fewer and larger ones cost less
_RETRY_SECS = 1.0


class Writer:
    """Appends to a store in a thread of its own. Who asks for an append is told when it is committed.

    Args:
        store: the store.
        most_rows: how many trials may wait; beyond, nothing is taken.
        around: entered before a commit and left after it, before anybody is told.
    """

    def __init__(
        self, store: Store, most_rows: int, around: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._store, self._most_rows, self._around = store, most_rows, around
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Batch, Future[AppendReport]]] = deque()
        self._rows = 0  # that wait or are being committed
        self._is_closed = False
        self._are_several, self._began = False, 0.0  # whether the last commit was of several batches, and when it began
        self._thread = threading.Thread(target=self._run, name="tunedb-writer", daemon=True)
        self._thread.start()

    @property
    def queued_rows(self) -> int:
        """How many trials wait."""
        return self._rows

    @property
    def is_alive(self) -> bool:
        """Whether anything would be committed."""
        return self._thread.is_alive()

    def submit(self, batch: Batch) -> Future[AppendReport]:
        """Takes a batch. What becomes of it, the future says.

        Raises:
            StoreAwayError: too much waits already, or the writer is closed; nothing was taken.
        """
        with self._changed:
            rows = max(1, len(batch.trials))
            if self._is_closed or (self._rows and self._rows + rows > self._most_rows):
                raise StoreAwayError("too many trials wait to be stored: try again", retry_after_secs=_RETRY_SECS)
            future: Future[AppendReport] = Future()
            self._waiting.append((batch, future))
            self._rows += rows
            self._changed.notify()
            return future

    def close(self) -> None:
        """Commits what waits, and ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while taken := self._next():
            batches, futures = [batch for batch, _ in taken], [future for _, future in taken]
            try:
                self._append(batches, futures)
            finally:
                with self._changed:
                    self._rows -= sum(max(1, len(batch.trials)) for batch in batches)

    def _next(self) -> list[tuple[Batch, Future[AppendReport]]]:
        """What is committed next, together; nothing when the writer is closed and all is done."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            while self._are_several and not self._is_closed and self._rows < _TOGETHER:
                left = self._began + _APART_SECS - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._began = time.monotonic()
            taken: list[tuple[Batch, Future[AppendReport]]] = []
            rows = 0
            while self._waiting and (not taken or rows + len(self._waiting[0][0].trials) <= _TOGETHER):
                taken.append(self._waiting.popleft())
                rows += len(taken[-1][0].trials)
            self._are_several = len(taken) > 1
            return taken

    def _append(self, batches: list[Batch], futures: list[Future[AppendReport]]) -> None:
        try:
            with self._around():
                reports = self._store.append_batches(batches)
        except UsageError as error:
            if len(batches) == 1:
                futures[0].set_exception(error)
                return
            for batch, future in zip(batches, futures, strict=True):  # one of them is to blame, and it alone
                self._append([batch], [future])
        except Exception as error:  # whatever it was, those who wait must hear of it
            for future in futures:
                future.set_exception(error)
        else:
            for future, report in zip(futures, reports, strict=True):
                future.set_result(report)
