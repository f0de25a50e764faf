"""All tables of one store, at one consistent view, and the SQL that is asked of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tunedb.errors import NotFoundError, StoreError
from tunedb.store import schema
from tunedb.store.database import REMEMBER_NOTHING, answer, database
from tunedb.store.delta.compaction import after_append
from tunedb.store.delta.history import commit_at
from tunedb.store.delta.table import Bounds, Table, store_errors
from tunedb.store.locations import is_url


class TableSet:
    """Opens or makes a store's tables. Its lock is held by whoever asks more than one thing."""

    def __init__(
        self,
        url: str,
        *,
        create: bool,
        as_of: int | datetime | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> None:
        self.url = url
        self.lock = threading.RLock()
        self._tables = {table.name: Table(url, table, storage_options) for table in schema.TABLES}
        if not self._tables["trials"].exists():  # the last to be made
            if not is_url(url) and any(Path(url, "trials").glob("*.parquet")):
                raise StoreError(f"the store at {url} has trials, but nothing says which: run `tunedb repair`")
            if not create:
                raise NotFoundError(f"there is no store at {url}", kind="store", asked=url)
            self._create()
        self._tables["trials"].open()
        if as_of is not None:
            self._pin(as_of)

    def _pin(self, as_of: int | datetime) -> None:
        """Goes back to a version of the trials, or to a time, and takes the other tables as they were then.

        The trials' log names versions of the other tables since schema version 3; for earlier commits there are only
        times.
        """
        commits = self._tables["trials"].commits()
        if isinstance(as_of, datetime):
            moment = int(as_of.timestamp() * 1000)
            commit = commit_at(commits, moment)
        else:  # one whose commit was summed up and removed is read by its checkpoint: at the latest as of the next
            commit = next((commit for commit in commits if commit.version >= as_of), commits[-1])
            moment = commit.moment
        self._tables["trials"].pin(commit.version if isinstance(as_of, datetime) else as_of)
        for table in self._tables.values():
            if table.is_absent():
                table.pin(None)
            elif table.schema.name != "trials":
                by_time = commit_at(table.commits(), max(moment, commit.moment)).version
                table.pin(max(by_time, commit.seen.get(table.schema.name, 0)))

    def _create(self) -> None:
        with store_errors(f"make a store at {self.url}"):
            folder = Path(self.url)
            if not is_url(self.url) and folder.exists():
                foreign = sorted({entry.name for entry in folder.iterdir()} - set(self._tables))
                if foreign:
                    raise StoreError(f"cannot make a store at {self.url}: it is not empty (it has {foreign[0]})")
        for table in schema.TABLES:
            self._tables[table.name].create()

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def append(self, name: str, columns: dict[str, Any], seen: Mapping[str, int] | None = None) -> set[str]:
        """Appends rows to a table, as `Table.append` does, and keeps its files few."""
        theirs = self._tables[name].append(columns, seen)
        after_append(self._tables[name])
        return theirs

    def all(self) -> list[Table]:
        """Every table that is there, in the order in which they are written."""
        return [table for table in self._tables.values() if not table.is_absent()]

    def versions(self) -> dict[str, int]:
        """The versions of those tables that were used, by name."""
        return {name: table.version() for name, table in self._tables.items() if table.is_open()}

    def refresh(self, *names: str) -> None:
        """Moves tables on to their newest versions, the trials first: what they refer to was written before them."""
        wanted = names or self._tables.keys()
        for name in reversed(self._tables):  # in which they are written: what a row refers to is there before it
            if name in wanted:
                self._tables[name].refresh()

    def prepared(
        self, text: str, selected: str = "true", bounds: Bounds | None = None
    ) -> tuple[duckdb.DuckDBPyConnection, str]:
        """A connection of one's own, and SQL for it in which `{trials}` and the like are what is read now.

        Files of trials that hold nothing within `bounds` are left out: opening a file costs half a millisecond. Files
        of an object store come by way of Delta Lake, which has the credentials; DuckDB would need an extension a kind.
        """
        cursor = self.cursor()
        relations = {}
        for name, table in self._tables.items():
            if f"{{{name}}}" not in text:
                continue
            if is_url(self.url):
                cursor.register(f"stored_{name}", table.dataset())
                relations[name] = f"stored_{name}"
            else:
                relations[name] = table.relation(bounds if name == "trials" else None)
        return cursor, text.format(selected=selected, **relations)

    def ask(
        self,
        text: str,
        values: Sequence[object] = (),
        *,
        selected: str = "true",
        bounds: Bounds | None = None,
        new_ids: pa.Table | None = None,
        once: bool = False,
    ) -> list[tuple[Any, ...]]:
        """All rows of the answer to a question of `tunedb.store.delta.queries`.

        Args:
            text: the question.
            values: what stands for its `?`.
            selected: the condition for `{selected}`.
            bounds: what the condition allows of some columns of the trials, to read fewer files.
            new_ids: a table of that name to be asked with.
            once: whether its files are not read again soon: nothing is remembered of them.
        """
        with store_errors(f"read the store {self.url}"):
            cursor, question = self.prepared(text, selected, bounds)
            if once:
                cursor.execute(REMEMBER_NOTHING)
            if new_ids is not None:
                cursor.register("new_ids", new_ids)
            return answer(cursor, question, values)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to this process's DuckDB."""
        return database().cursor()
