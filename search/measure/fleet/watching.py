"""Whether a tracker knows the server of an agent, and saying so: TVM's server waits for one and says nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from search.measure.fleet.tracker import Tracker, TrackerError

_LOG = logging.getLogger(__name__)

_EVERY_SECS = 3.0


@contextmanager
def watched(tracker: Tracker, key: str, on_note: Callable[[str], None]) -> Iterator[None]:
    """Looks at a tracker now and then, in a thread of its own.

    Args:
        tracker: The tracker.
        key: Of the server that it should know.
        on_note: Told when there is one, and when the tracker is not there or has gone.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(tracker, key, on_note, ended), name="tunedb-tracker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _watch(tracker: Tracker, key: str, on_note: Callable[[str], None], ended: threading.Event) -> None:
    said = ""
    while not ended.is_set():
        try:
            is_known = bool(tracker.servers([key]))
            # While the server starts there is nothing to say, nor while it connects again.
            note = f"serving as {key} at the tracker {tracker.address}" if is_known else said
        except TrackerError as error:
            _LOG.debug("%s", error)
            note = f"{error}; it is waited for"
        if note != said and not ended.is_set():
            on_note(note)
            said = note
        ended.wait(_EVERY_SECS)
