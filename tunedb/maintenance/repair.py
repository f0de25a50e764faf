"""Repair of a store: what is broken is moved aside, so that the rest can be used. Nothing is deleted.

What can be had again (a log, another store) is added again by ingesting or merging it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tunedb.errors import NotFoundError, UsageError, first_line
from tunedb.maintenance.mend import mend
from tunedb.maintenance.mend_log import mend_log, move
from tunedb.store import schema
from tunedb.store.delta import paths
from tunedb.store.delta.files import batches_of, live_files, replace_files, written
from tunedb.store.delta.log import has_log, read_log
from tunedb.store.delta.table import Table, parquet_relation, store_errors
from tunedb.store.delta.versions import refuse_later_version, refuse_other_version, version_in
from tunedb.store.locations import is_url, located_tables

_ASIDE = "set-aside"


@dataclass(frozen=True, slots=True)
class Repaired:
    """One thing that was broken."""

    what: str  # for people
    moved_to: str  # a path; "" when it was not there to be moved


def repair(url: str | Path) -> list[Repaired]:
    """Repairs a store in a folder: broken files are moved aside, and rows that were changed or refer to what is gone.

    Nobody else should write meanwhile. A version that is left behind cannot be read any more as far as it needs
    what was broken.

    Args:
        url: the folder of the store.

    Returns:
        What was done; empty when nothing was broken.

    Raises:
        NotFoundError: there is no store.
        UsageError: the store is not in a folder.
        StoreSchemaError: another schema version wrote it.
        StoreError: it cannot be repaired; the message says which part.
    """
    if is_url(where := located_tables(str(url))):
        raise UsageError(f"only a store in a folder can be repaired, not {url}: copy it into one, then merge it back")
    root = Path(where)
    if not any(has_log(root / table.name) for table in schema.TABLES):
        raise NotFoundError(f"there is no store at {root}", kind="store", asked=str(url))
    with store_errors(f"repair the store at {root}"):
        version = _version(root)
        there = [table for table in schema.TABLES if not Table(str(root), table).is_absent()]
        aside = root / _ASIDE / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        found = [
            Repaired(*done)
            for table in there
            if version == schema.SCHEMA_VERSION or has_log(root / table.name)  # an older store lacks some
            for done in mend_log(root / table.name, table, version, aside / table.name)
        ]
        if version != schema.SCHEMA_VERSION:
            if not found:
                refuse_other_version(version, str(root))
            advice = f"`tunedb migrate --store {root}` brings it to {schema.SCHEMA_VERSION}"
            return [*found, Repaired(f"the store has schema version {version}: {advice}; then repair it again", "")]
        found += [done for table in there for done in _repair_table(root / table.name, aside / table.name)]
        found += [Repaired(*done) for done in mend(str(root), aside)]
        return [*found, *_set_dangling_rows_aside(root, aside)]


def _version(root: Path) -> int:
    """The schema version of a store, by whatever part of its logs can be read.

    Raises:
        StoreSchemaError: a later version wrote a part of it, or it is none of tunedb's.
    """
    last: list[int] = []
    for table in schema.TABLES:
        found = [version_in(text, str(root / table.name)) for text in read_log(root / table.name).descriptions()]
        if found:
            refuse_later_version(max(found), str(root))
            last.append(found[-1])
    return min(last, default=schema.SCHEMA_VERSION)


def _repair_table(folder: Path, aside: Path) -> Iterator[Repaired]:
    table = paths.open_table(str(folder))
    broken = False
    for uri in table.file_uris():
        file = folder / unquote(uri.rpartition("/")[2])
        if not file.exists():
            broken = True
            yield Repaired(f"{file} was gone", "")
        elif reason := _unreadable(file):
            broken = True
            yield Repaired(f"{file} could not be read ({reason})", move(file, aside))
    if broken:
        table.repair(post_commithook_properties=paths.hooks(str(folder)))


def _unreadable(file: Path) -> str:
    """Why a file cannot be read; empty when it can."""
    import duckdb

    try:
        with duckdb.connect() as database:
            database.execute(
                f"SELECT count(COLUMNS(*)) FROM {parquet_relation([f'{paths.literal(str(file.parent))}/{file.name}'])}"
            ).fetchall()
    except duckdb.Error as error:
        return first_line(error)
    return ""


def _set_dangling_rows_aside(root: Path, aside: Path) -> Iterator[Repaired]:
    """Rows that refer to what is gone are of no use, and would break every question."""
    import duckdb
    import pyarrow.parquet as pq

    for table in schema.TABLES:  # what is referred to before what refers to it
        for column, name in table.references.items():
            rows = paths.open_table(str(root / table.name))
            known: Any = paths.open_table(str(root / name)).to_pyarrow_dataset().to_table([column])
            with duckdb.connect() as database:
                database.register("rows", rows.to_pyarrow_dataset())
                database.register("known", known)
                lost: Any = database.sql(
                    f"SELECT * FROM rows WHERE {column} <> '' AND {column} NOT IN (SELECT {column} FROM known)"
                ).to_arrow_table()
            if not lost.num_rows:
                continue
            file = aside / table.name / f"without-{name}-{column}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(lost, file)
            _take_out(Table(str(root), table), column, lost.column(column).unique())
            yield Repaired(f"{lost.num_rows} {table.name} referred to a {column} that is gone", str(file))


def _take_out(table: Table, column: str, gone: Any) -> None:
    """Rewrites the files whose rows have some values, without these rows. Delta Lake would write other types."""
    import pyarrow.compute as pc

    values = pc.cast(gone, "string")
    old, new = [], []
    for file in live_files(table):
        found = (pc.is_in(rows.column(column), value_set=values) for rows in batches_of(table, file, [column]))
        if any(pc.any(mask).as_py() for mask in found):
            kept = (
                rows.filter(pc.invert(pc.is_in(rows.column(column), value_set=values)))
                for rows in batches_of(table, file)
            )
            old.append(file)
            new += [made for made in [written(table, kept)] if made is not None]
    replace_files(table, old, new, "repair")
