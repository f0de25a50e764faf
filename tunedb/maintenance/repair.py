"""Repair of a store: what is broken is moved aside, so that the rest can be used. Nothing is deleted.

What can be had again (a log, another store) is added again by ingesting or merging it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tunedb.errors import NotFoundError, StoreError, UsageError
from tunedb.maintenance.mend import mend
from tunedb.store import schema
from tunedb.store.delta import paths
from tunedb.store.delta.table import parquet_relation, store_errors
from tunedb.store.delta.versions import refuse_other_version, schema_version
from tunedb.store.locations import is_url, located

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
    if is_url(where := located(str(url))):
        raise UsageError(f"only a store in a folder can be repaired, not {url}: copy it into one, then merge it back")
    root = Path(where)
    if not any((root / table.name / "_delta_log").is_dir() for table in schema.TABLES):
        raise NotFoundError(f"there is no store at {root}", kind="store", asked=str(url))
    _check_version(root)
    aside = root / _ASIDE / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    with store_errors(f"repair the store at {root}"):
        found = [done for table in schema.TABLES for done in _repair_table(root / table.name, aside / table.name)]
        found += [Repaired(what, moved_to) for what, moved_to in mend(str(root), aside)]
        return [*found, *_set_dangling_rows_aside(root, aside)]


def _check_version(root: Path) -> None:
    """Whether the tables that can be opened are of the present schema version.

    Raises:
        StoreSchemaError: one is of another: its own tunedb knows how to repair it.
    """
    import deltalake

    for table in schema.TABLES:
        try:
            delta = paths.open_table(str(root / table.name))
        except (deltalake.exceptions.DeltaError, OSError):  # broken: that is what a repair is for
            continue
        refuse_other_version(schema_version(delta, str(root / table.name)), str(root))


def _repair_table(folder: Path, aside: Path) -> Iterator[Repaired]:
    yield from _repair_log(folder / "_delta_log", aside)
    table = paths.open_table(str(folder))
    broken = False
    for uri in table.file_uris():
        file = folder / unquote(uri.rpartition("/")[2])
        if not file.exists():
            broken = True
            yield Repaired(f"{file} was gone", "")
        elif reason := _unreadable(file):
            broken = True
            yield Repaired(f"{file} could not be read ({reason})", _move(file, aside))
    if broken:
        table.repair(post_commithook_properties=paths.hooks(str(folder)))


def _repair_log(log: Path, aside: Path) -> Iterator[Repaired]:
    """A commit that was cut short (a full disk, a power failure) is only ever the newest."""
    commits = sorted(log.glob("[0-9]*.json"))
    if not commits:
        raise StoreError(f"{log} has no commits: nothing says which files of the table are valid")
    for place, commit in enumerate(commits):
        try:
            lines = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (UnicodeDecodeError, json.JSONDecodeError):
            lines = []
        if lines:
            continue
        if place == 0 or place < len(commits) - 1:
            raise StoreError(f"{commit} cannot be read, and later commits build on it: restore it from a backup")
        yield Repaired(f"the commit {commit} could not be read", _move(commit, aside))


def _unreadable(file: Path) -> str:
    """Why a file cannot be read; empty when it can."""
    import duckdb

    try:
        with duckdb.connect() as database:
            database.execute(
                f"SELECT count(COLUMNS(*)) FROM {parquet_relation([f'{paths.literal(str(file.parent))}/{file.name}'])}"
            ).fetchall()
    except duckdb.Error as error:
        return str(error).strip().splitlines()[0]
    return ""


def _move(file: Path, aside: Path) -> str:
    aside.mkdir(parents=True, exist_ok=True)
    return str(file.rename(aside / file.name))


def _set_dangling_rows_aside(root: Path, aside: Path) -> Iterator[Repaired]:
    """Rows that refer to what is gone are of no use, and would break every question."""
    import duckdb
    import pyarrow.parquet as pq

    for table in schema.TABLES:  # what is referred to before what refers to it
        rows = paths.open_table(str(root / table.name))
        for column, name in table.references.items():
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
            ids = ", ".join(f"'{identity}'" for identity in sorted(set(lost.column(column).to_pylist())))
            rows.delete(f"{column} IN ({ids})", post_commithook_properties=paths.hooks(str(root / table.name)))
            rows = paths.open_table(str(root / table.name))
            yield Repaired(f"{lost.num_rows} {table.name} referred to a {column} that is gone", str(file))
