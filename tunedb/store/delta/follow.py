"""Following a table of a folder by its log: whether it has come further, and which files brought rows.

Asking costs two looks at the file system. Nothing is opened, and no lock is taken: for those who ask all the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa

from tunedb.errors import first_line
from tunedb.store.delta import paths
from tunedb.store.delta.table import store_errors


class Follower:
    """A place in the log of a table.

    Args:
        store: the folder of the store.
        name: the table's name. It may be absent until it is written to.
    """

    def __init__(self, store: str, name: str) -> None:
        self._folder = f"{paths.literal(store.rstrip('/'))}/{name}"
        self._version = -1

    def has_moved(self) -> bool:
        """Whether there is a later version, or the log no longer has this one."""
        return _exists(self._log(self._version + 1)) or self._is_lost()

    def _is_lost(self) -> bool:
        return self._version >= 0 and not _exists(self._log(self._version))

    def start(self) -> None:
        """Goes to the newest version, whatever came in between."""
        try:
            names = [entry.name for entry in Path(f"{self._folder}/_delta_log").iterdir()]
        except FileNotFoundError:
            names = []
        versions = [int(name[:20]) for name in names if len(name) == 25 and name.endswith(".json")]
        self._version = max(versions, default=-1)

    def move(self) -> list[str] | None:
        """Goes to the newest version.

        Returns:
            The files that brought rows, of which some may have been merged into others since. None where rows were
            taken away or changed, or the log no longer tells: then all is to be read again.

        Raises:
            StoreError: the log cannot be read.
        """
        added: list[str] = []
        if self._is_lost():
            self.start()
            return None
        with store_errors(f"read the log of {self._folder}"):
            while (actions := self._actions(self._version + 1)) is not None:
                self._version += 1
                for action in actions:
                    if "remove" in action and action["remove"].get("dataChange", True):
                        self.start()
                        return None
                    if "add" in action and action["add"].get("dataChange", True):
                        added.append(f"{self._folder}/{unquote(action['add']['path'])}")
        return added

    def _actions(self, version: int) -> list[dict[str, Any]] | None:
        try:
            log = Path(self._log(version)).read_bytes()
            return [msgspec.json.decode(line) for line in log.splitlines() if line]
        except FileNotFoundError:
            return None

    def _log(self, version: int) -> str:
        return f"{self._folder}/_delta_log/{version:020}.json"


def _exists(file: str) -> bool:
    return os.path.exists(file)  # noqa: PTH110 - half the time of Path's, and asked for all the time


def rows_of(files: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the rows of files.

    Raises:
        StoreError: a file cannot be read; it may be gone.
    """
    import pyarrow.parquet as pq

    for file in files:
        with store_errors(f"read {file}"):
            try:
                yield pq.read_table(file, columns=list(columns), partitioning=None)
            except ValueError as error:
                raise OSError(first_line(error)) from error
