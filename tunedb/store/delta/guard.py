"""Keeps appends and revisions of a store in a folder apart: many append at once, and who revises is alone.

An append checks that what its trials refer to is there, and then writes them. A revision takes rows out of several
tables. Two locks of the operating system part them, and both are let go when a process dies, however it does. In an
object store there are none: there, nobody else should write while a store is revised.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tunedb.store.locations import is_url

_GATE, _ROOM = ".gate.lock", ".room.lock"
NAMES = (_GATE, _ROOM)


@contextmanager
def appending(store: str) -> Iterator[None]:
    """Holds revisions off. Where the locks cannot be had (a folder that is read-only), the append says why itself."""
    with _locked(store, _ROOM, through_gate=True, alone=False):
        yield


@contextmanager
def revising(store: str) -> Iterator[None]:
    """Waits for the appends under way, and holds others off."""
    with _locked(store, _GATE, through_gate=False, alone=True), _locked(store, _ROOM, through_gate=False, alone=True):
        yield


@contextmanager
def _locked(store: str, name: str, *, through_gate: bool, alone: bool) -> Iterator[None]:
    """Holds a lock. Appends come by way of the gate, which a revision keeps shut: else it might wait for ever."""
    import fcntl

    if is_url(store):
        yield
        return
    held = None
    try:
        with suppress(OSError):
            if through_gate:
                gate = _opened(store, _GATE)
                try:
                    fcntl.flock(gate, fcntl.LOCK_SH)
                    held = _opened(store, name)
                    fcntl.flock(held, fcntl.LOCK_SH)
                finally:
                    os.close(gate)
            else:
                held = _opened(store, name)
                fcntl.flock(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        if held is not None:
            os.close(held)


def _opened(store: str, name: str) -> int:
    return os.open(os.path.join(store, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # noqa: PTH118
