"""What could not be sent to a service, on disk, in order: nothing is lost, and what is sent twice is there once.

A message is a file that is whole or not there. Several processes may add to a spool and send from it; one sends at a
time. What a service refuses for good is set aside with the reason, so that what comes after it is not held up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from tunedb.errors import BadInputError, NotFoundError, StoreError, UsageError
from tunedb.records import AppendReport

_SUFFIX = ".push"
_REFUSED = "refused"
_SERVICE = "service"  # a file with the service's URL, for people and `tunedb sync`


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits to be sent."""

    number: int
    trials: int
    path: Path

    @property
    def num_bytes(self) -> int:
        """Its size; 0 of one that was sent meanwhile."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent of a spool."""

    messages: int
    reports: tuple[AppendReport, ...]
    refused: int  # messages that were set aside


class Spool:
    """The messages to one service that wait. Threads and processes may share its folder.

    Args:
        root: the folder of all spools.
        url: of the service.
    """

    def __init__(self, root: Path, url: str) -> None:
        self.url = url.rstrip("/")
        self.folder = root / blake2b(self.url.encode(), digest_size=8).hexdigest()

    def waiting(self) -> list[Waiting]:
        """The messages that wait, in order."""
        try:
            names = sorted(path for path in self.folder.iterdir() if path.suffix == _SUFFIX)
        except FileNotFoundError:
            return []
        return [_waiting(path) for path in names]

    def refused(self) -> list[Path]:
        """The messages that the service would not take, each with its reason in a file beside it."""
        folder = self.folder / _REFUSED
        return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []

    def add(self, messages: list[tuple[bytes, int]]) -> None:
        """Adds messages behind those that wait.

        Args:
            messages: each with the number of its trials.

        Raises:
            StoreError: they cannot be written; those before it are.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked("adding"):
                (self.folder / _SERVICE).write_text(self.url + "\n")
                last = max((row.number for row in self.waiting()), default=0)
                number = max(last, self._last_number())
                for content, trials in messages:
                    number += 1
                    self._write(self.folder / f"{number:012d}-{trials}{_SUFFIX}", content)
                (self.folder / "last").write_text(str(number))
        except OSError as error:
            raise StoreError(f"cannot keep what was not sent in {self.folder}: {error.strerror or error}") from error

    def _last_number(self) -> int:
        try:
            return int((self.folder / "last").read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def send(self, send: Callable[[bytes], AppendReport]) -> Sent:
        """Sends what waits, in order, until the service is away; another process that is at it is waited for.

        Args:
            send: sends one message.

        Raises:
            StoreError: the service is away, or cannot store; what was not sent still waits.
            AccessError: the service wants a token, or another one.
        """
        reports: list[AppendReport] = []
        refused = 0
        if not self.waiting():
            return Sent(0, (), 0)
        with self._locked("sending"):
            while rows := self.waiting():
                for row in rows:
                    try:
                        content = row.path.read_bytes()
                    except FileNotFoundError:
                        continue
                    try:
                        reports.append(send(content))
                    except (UsageError, BadInputError, NotFoundError) as error:
                        self._set_aside(row.path, str(error))
                        refused += 1
                    else:
                        row.path.unlink(missing_ok=True)
        return Sent(len(reports), tuple(reports), refused)

    def _set_aside(self, path: Path, reason: str) -> None:
        folder = self.folder / _REFUSED
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / path.name).with_suffix(".txt").write_text(reason + "\n")
        path.replace(folder / path.name)

    @contextmanager
    def _locked(self, what: str) -> Iterator[None]:
        with (self.folder / f".{what}").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def spools(root: Path) -> list[Spool]:
    """The spools below a folder that hold anything, sent or refused."""
    found = []
    for service in sorted(root.glob(f"*/{_SERVICE}")):
        spool = Spool(root, service.read_text().strip())
        if spool.folder == service.parent and (spool.waiting() or spool.refused()):
            found.append(spool)
    return found


def _waiting(path: Path) -> Waiting:
    number, _, trials = path.stem.partition("-")
    return Waiting(int(number), int(trials or 0), path)
