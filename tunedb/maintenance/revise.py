"""What `remove`, `relabel` and `restore` have in common: sources that are meant, files written anew, and who did it.

What was done is a source of the store, of the format "remove", "relabel" or "restore": when, by whom, and what.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deltalake.exceptions import CommitFailedError

from tunedb import identity
from tunedb.errors import NotFoundError, StoreError
from tunedb.program.releases import installed
from tunedb.records import Source
from tunedb.store import schema
from tunedb.store.checksums import with_checksums
from tunedb.store.delta.files import LiveFile, batches_of, live_files, replace_files, written
from tunedb.store.delta.queries import rows_of
from tunedb.store.delta.table import Table
from tunedb.store.delta.tables import TableSet
from tunedb.store.locations import located_tables
from tunedb.store.schema import CHECKSUM, NOTES, columns_of, record_of

_ATTEMPTS = 20
_ID_DIGITS = 6  # of a source's id, at least: fewer mean too much

Revision = Callable[[Any], Any | None]  # rows of a file, some of them changed or gone; None where all stay as they are


@dataclass(frozen=True, slots=True)
class Revised:
    """What a revision did, or would do."""

    action: str  # "remove", "relabel", "restore"
    sources: tuple[Source, ...]  # that were meant
    removed: int = 0  # trials that are gone
    kept: int = 0  # trials that another source brought too: they are that one's now
    relabelled: int = 0  # trials that have another machine now
    quarantined: int = 0  # rows of the quarantine that are gone
    version_before: str = ""  # `tunedb restore --as-of` it undoes what was done
    version: str = ""  # of the trials now


def opened(url: str | Path, storage_options: dict[str, str] | None) -> TableSet:
    """The tables of a store at their newest versions.

    Raises:
        NotFoundError: there is no store.
    """
    tables = TableSet(located_tables(str(url)), create=False, storage_options=storage_options)
    tables.refresh()
    return tables


def sources_of(tables: TableSet, selected: str) -> list[Source]:
    """The sources that a condition in SQL selects, by their ids."""
    rows = tables.ask(rows_of(schema.SOURCES), selected=selected)
    return [record_of(schema.SOURCES, row, Source) for row in rows]


def sources_meant(tables: TableSet, text: str) -> list[Source]:
    """The sources that a person means: by their uri, the beginning of it, or that of their id.

    Raises:
        NotFoundError: there is none.
    """
    known = sources_of(tables, f"format NOT IN {NOTES}")
    whole = [row for row in known if text in (row.uri, row.source_id)]
    found = whole or [
        row
        for row in known
        if text and (row.uri.startswith(text) or (len(text) >= _ID_DIGITS and row.source_id.startswith(text.lower())))
    ]
    if not found:
        raise NotFoundError(
            f"no source begins with {text!r}; `tunedb sql 'SELECT uri FROM sources'` lists them",
            kind="source",
            asked=text,
        )
    return found


def revise_table(table: Table, concerned: Callable[[Any], bool], revise: Revision, what: str) -> None:
    """Writes those files of a table anew that a revision concerns, and puts all of them in place in one commit.

    Args:
        table: the table.
        concerned: whether any of some rows are, by which a file is left alone or written anew.
        revise: gives rows as they are to be, without checksums: these follow.
        what: why, for the table's history.

    Raises:
        StoreError: others go on committing to the table.
    """
    for attempt in range(_ATTEMPTS):
        table.refresh()
        old = [file for file in live_files(table) if any(concerned(rows) for rows in batches_of(table, file))]
        if not old:
            return
        new = [file for file in (written(table, _revised(table, one, revise)) for one in old) if file is not None]
        try:
            replace_files(table, old, new, what)
            return
        except CommitFailedError:  # a compaction, or in an object store an append
            time.sleep(0.02 * (attempt + 1))
    raise StoreError(f"cannot {what}: others go on writing to {table.url}; try again when they are done")


def _revised(table: Table, file: LiveFile, revise: Revision) -> Iterator[Any]:
    for rows in batches_of(table, file):
        now = revise(rows.drop_columns(CHECKSUM))
        yield rows if now is None else with_checksums(now, table.schema)


def note(action: str, by: str, detail: dict[str, object]) -> Source:
    """A source that says what was done to a store, by whom and when."""
    now = datetime.now(UTC)
    told = {"by": by, "at": now.isoformat(timespec="seconds"), "tunedb": installed("tunedb"), **detail}
    return dataclasses.replace(identity.source(f"{action}:{uuid.uuid4().hex}", action, told), added_at=now)


def append_sources(tables: TableSet, rows: Sequence[Source]) -> None:
    """Adds sources."""
    if rows:
        tables["sources"].append(columns_of(rows, list(schema.SOURCES.told())))


def without(rows: Any, gone: Sequence[bool]) -> Any:
    """Rows but for some."""
    import pyarrow as pa

    return rows.filter(pa.array([not one for one in gone], pa.bool_()))


def with_column(rows: Any, name: str, values: Sequence[Any]) -> Any:
    """Rows with other values in a column."""
    import pyarrow as pa

    place = rows.column_names.index(name)
    return rows.set_column(place, name, pa.array(values, rows.schema.field(name).type))
