"""Rows that are not what was written, set aside; and statistics that do not tell what files hold, told again.

A row that others refer to stays where its id still is the hash of its content: what was changed in it identifies
nothing, and without it good trials would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tunedb.store import schema
from tunedb.store.checksums import with_checksums
from tunedb.store.delta.audit import FileAudit, audit
from tunedb.store.delta.files import LiveFile, batches_of, live_files, replace_files, written
from tunedb.store.delta.misfits import misfits
from tunedb.store.delta.table import Table
from tunedb.store.delta.tables import TableSet
from tunedb.store.ids import wrong_ids
from tunedb.store.schema import CHECKSUM, TableSchema

_REFERRED = {name for table in schema.TABLES for name in table.references.values()}
_Places = Callable[[Any, int], Sequence[int]]  # of rows and the place of their first: which of these are meant


def mend(root: str, aside: Path) -> Iterator[tuple[str, str]]:
    """Mends the tables of a store whose files can all be read.

    Args:
        root: the store's folder.
        aside: the folder that rows are set aside in.

    Yields:
        What was done, for people, and where what was set aside is now.
    """
    tables = TableSet(root, create=False)
    for table in tables.all():
        table.refresh()
        broken = [file for file in audit(table) if not file.is_sound]
        if broken:
            yield from _mend_table(table, broken, aside / table.schema.name)
    wrong = {(found.module_id, found.instructions_id, found.args_info): found.reason for found in misfits(tables)}
    if wrong:
        yield from _set_misfits_aside(tables["trials"], set(wrong), aside / "trials")


def _mend_table(table: Table, broken: Sequence[FileAudit], aside: Path) -> Iterator[tuple[str, str]]:
    new: list[LiveFile] = []
    done: list[tuple[str, str]] = []
    for found in broken:
        file = found.file
        if found.unreadable:
            continue
        if not (found.changed or found.footer) and found.statistics is not None:
            new.append(LiveFile(file.path, found.num_bytes, found.statistics))
            done.append((f"{table.schema.name}: the log had wrong statistics of {file.path}", ""))
            continue
        kept, lost = _split(table, file, partial(_among, set(found.changed)), aside)
        new += kept
        if found.changed:
            done.append((f"{table.schema.name}: {len(found.changed)} row(s) of {file.path} had been changed", lost))
        else:
            done.append((f"{table.schema.name}: the footer of {file.path} had wrong bounds; it was written anew", ""))
    replace_files(table, [found.file for found in broken if not found.unreadable], new, "repair")
    yield from done


def _among(places: set[int], rows: Any, first: int) -> list[int]:
    return [place for place in range(rows.num_rows) if first + place in places]


def _set_misfits_aside(table: Table, wrong: set[tuple[str, str, bytes]], aside: Path) -> Iterator[tuple[str, str]]:
    def places(rows: Any, first: int) -> list[int]:
        del first
        columns = (rows.column(name).to_pylist() for name in ("module_id", "instructions_id", "args_info"))
        return [place for place, kind in enumerate(zip(*columns, strict=True)) if kind in wrong]

    table.refresh()
    old: list[LiveFile] = []
    new: list[LiveFile] = []
    done: list[tuple[str, str]] = []
    for file in live_files(table):
        num_wrong = sum(len(places(rows, 0)) for rows in batches_of(table, file))
        if num_wrong:
            kept, lost = _split(table, file, places, aside)
            old.append(file)
            new += kept
            done.append((f"{num_wrong} trials were not of the module that they named", lost))
    replace_files(table, old, new, "repair")
    yield from done


def _split(table: Table, file: LiveFile, wrong: _Places, aside: Path) -> tuple[list[LiveFile], str]:
    """Writes a file's rows anew without some, and these into a file of their own.

    Returns:
        The new file, or none where no row is left; and the path of the rows set aside, "" where there are none.
    """
    import pyarrow.parquet as pq

    set_aside = aside / f"rows-of-{file.path}"
    with _Late(set_aside, lambda: pq.ParquetWriter(set_aside, table.schema.arrow())) as away:

        def kept() -> Iterator[Any]:
            first = 0
            for rows in batches_of(table, file):
                places = list(wrong(rows, first))
                if places:
                    away.write(_taken(rows, places))
                yield _without(table.schema, rows, places)
                first += rows.num_rows

        new = written(table, kept())
    return [new] if new else [], str(set_aside) if away.writer is not None else ""


class _Late:
    """A Parquet file that is made when there is something to write."""

    def __init__(self, path: Path, make: Callable[[], Any]) -> None:
        self.writer: Any = None
        self._path, self._make = path, make

    def write(self, rows: Any) -> None:
        if self.writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = self._make()
        self.writer.write_table(rows)

    def __enter__(self) -> _Late:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.writer is not None:
            self.writer.close()


def _without(table: TableSchema, rows: Any, places: Sequence[int]) -> Any:
    """Rows without some of them, but with those that others need and whose ids are right."""
    import pyarrow as pa

    gone = set(places)
    left = _taken(rows, [place for place in range(rows.num_rows) if place not in gone])
    if not gone or table.name not in _REFERRED:
        return left
    lost = {places[wrong] for wrong in wrong_ids(table, _taken(rows, places))}
    needed = _taken(rows, [place for place in places if place not in lost])
    return pa.concat_tables([left, with_checksums(needed.drop_columns(CHECKSUM), table)])


def _taken(rows: Any, places: Sequence[int]) -> Any:
    import pyarrow as pa

    return rows.take(pa.array(places, pa.int64()))
