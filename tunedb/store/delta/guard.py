"""Keeps what cannot be done at once apart: appends and revisions of a store, and two compactions.

An append checks that what its trials refer to is there, and then writes them. A revision takes rows out of several
tables. A compaction puts other files in the place of those that it has read. Locks of the operating system part them,
which are let go when a process dies, however it does. In an object store there are none: there, nobody else should
write while a store is revised, and compactions look out for each other (`tunedb.store.delta.compaction`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tunedb.store.locations import is_url

_GATE, _ROOM, _COMPACTION = ".gate.lock", ".room.lock", ".compaction.lock"


@contextmanager
def appending(store: str) -> Iterator[None]:
    """Holds revisions off. Where the locks cannot be had (a folder that is read-only), the append says why itself."""
    with ExitStack() as held:
        if not is_url(store):
            # By way of the gate, which a revision keeps shut: it would else wait for ever.
            with suppress(OSError), _locked(store, _GATE, fcntl.LOCK_SH):
                held.enter_context(_locked(store, _ROOM, fcntl.LOCK_SH))
        yield


@contextmanager
def revising(store: str) -> Iterator[None]:
    """Waits for the appends under way, and holds others off. Of it and a compaction, the later one begins again."""
    with ExitStack() as held:
        if not is_url(store):
            with suppress(OSError):
                held.enter_context(_locked(store, _GATE, fcntl.LOCK_EX))
                held.enter_context(_locked(store, _ROOM, fcntl.LOCK_EX))
        yield


@contextmanager
def compacting(store: str, *, waits: bool) -> Iterator[bool]:
    """Lets one compaction of a store be at work.

    Args:
        store: the store's folder or URL.
        waits: whether to wait for another one.

    Yields:
        Whether this one may go on; always where it waits.
    """
    with ExitStack() as held:
        is_free = True
        if not is_url(store):
            try:
                held.enter_context(_locked(store, _COMPACTION, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB)))
            except BlockingIOError:
                is_free = False
            except OSError:  # the compaction says itself why nothing can be written
                pass
        yield is_free


@contextmanager
def _locked(store: str, name: str, how: int) -> Iterator[None]:
    file = os.open(os.path.join(store, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # noqa: PTH118
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)
