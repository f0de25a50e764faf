"""Leases: who is at work on what, for a while. By them several processes on one store do nothing twice.

A key is any text that says what is worked on. A lease of it ends when it is given back, or when its time is over: so
what a process that died had in hand is taken over. What was done is in the store before the lease is given back, so
whoever gets the lease next looks there first.

They are kept in files that belong to the store, one of each holder. Whoever wants keys writes so in its own file, and
only then reads the others' files: of two who want the same key at once, at least one sees the other, whatever the
order, and gives way. So no key is ever leased twice; now and then none of two gets it, and both turn to something else.
This needs no lock and no conditional write, which folders on a network and object stores have each in their own way,
and a batch of keys costs what one does: two writes, and a read of each other holder. A commit to a Delta table for each
batch costs more, and grows the table's log for what means nothing a minute later (`benchmarks/leases.py`).
"""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from typing_extensions import override

from tunedb.errors import NotFoundError, StoreError, UsageError
from tunedb.store.artifacts import Artifacts

_FOLDER = "leases"
_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LONGEST_SECS = 86_400.0
_ATTEMPTS = 5  # at a file, whose folder may go and come while others use it


class Leases(ABC):
    """Leases of keys. Several processes may use the same; one holder is one process, which makes one call at a time.

    Times are those of the clocks of the machines: leases should be longer than these differ by.
    """

    @abstractmethod
    def claim(self, holder: str, keys: Collection[str], secs: float) -> set[str]:
        """Leases those keys that nobody else has; the leases that the holder has already are kept.

        Args:
            holder: who claims them: letters, digits, `_` and `-`, unlike anybody else's.
            keys: what is claimed.
            secs: how long the leases last, from now on.

        Returns:
            The keys that the holder has now, of those that it claimed.

        Raises:
            UsageError: the holder's name or the time makes no sense.
            StoreError: the leases cannot be read or written.
        """

    @abstractmethod
    def renew(self, holder: str, secs: float) -> set[str]:
        """Lets all leases of a holder last for so long from now on; those whose time is over are gone.

        Returns:
            The keys that the holder still has.

        Raises:
            StoreError: the leases cannot be read or written.
        """

    @abstractmethod
    def release(self, holder: str, keys: Collection[str] | None = None) -> None:
        """Gives leases back; None is all of them.

        Raises:
            StoreError: the leases cannot be written.
        """

    @abstractmethod
    def leased(self, keys: Collection[str]) -> set[str]:
        """Those of some keys that anybody has now.

        Raises:
            StoreError: the leases cannot be read.
        """


class ArtifactLeases(Leases):
    """Leases in files that belong to a store.

    Args:
        artifacts: the store's files.
        clock: the time in seconds; another one is for tests.
    """

    def __init__(self, artifacts: Artifacts, clock: Callable[[], float] = time.time) -> None:
        self._artifacts, self._clock = artifacts, clock

    @override
    def claim(self, holder: str, keys: Collection[str], secs: float) -> set[str]:
        _check(holder, secs)
        own, until = self._read(_name(holder)), self._clock() + secs
        wanted = set(keys)
        if not wanted:
            return set()
        self._write(holder, own | dict.fromkeys(wanted, until))
        others = self._others(holder)
        granted = {key for key in wanted if key in own or key not in others}
        if granted != wanted:
            self._write(holder, own | dict.fromkeys(granted, until))
        return granted

    @override
    def renew(self, holder: str, secs: float) -> set[str]:
        _check(holder, secs)
        own = self._read(_name(holder))
        if own:
            self._write(holder, dict.fromkeys(own, self._clock() + secs))
        return set(own)

    @override
    def release(self, holder: str, keys: Collection[str] | None = None) -> None:
        _check(holder, 1.0)
        own = {} if keys is None else self._read(_name(holder))
        self._write(holder, {key: until for key, until in own.items() if key not in (keys or ())})

    @override
    def leased(self, keys: Collection[str]) -> set[str]:
        return set(keys) & self._others("")

    def _others(self, holder: str) -> set[str]:
        """What others have, or want."""
        own = _name(holder)
        found: set[str] = set()
        for name in self._artifacts.names(_FOLDER):
            if name != own:
                found |= self._read(name).keys()
        return found

    def _read(self, name: str) -> dict[str, float]:
        """The leases of a file whose time is not over, with their ends."""
        try:
            told = json.loads(self._artifacts.read(name))
            held = {str(key): float(until) for key, until in told["until"].items()}
        except NotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(f"{self._artifacts.location(name)} tells of no leases: remove it") from error
        now = self._clock()
        return {key: until for key, until in held.items() if until > now}

    def _write(self, holder: str, held: dict[str, float]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                if held:
                    self._artifacts.write(_name(holder), json.dumps({"until": held}).encode())
                else:
                    self._artifacts.delete(_name(holder))
                return
            except StoreError:
                if attempt == _ATTEMPTS - 1:
                    raise


def _name(holder: str) -> str:
    return f"{_FOLDER}/{holder}.json"


def _check(holder: str, secs: float) -> None:
    if not _HOLDER.fullmatch(holder):
        raise UsageError(f"{holder!r} cannot hold leases: a holder is of letters, digits, _ and -")
    if not 0 < secs <= _LONGEST_SECS:
        raise UsageError(f"a lease lasts more than 0 and at most {_LONGEST_SECS:g} seconds, not {secs:g}")
