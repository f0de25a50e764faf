"""What a table's files hold, against what was written and what its log and the files' own footers say of them.

Everything is read, a few thousand rows at a time, so memory does not grow with the store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tunedb.errors import first_line
from tunedb.store.checksums import with_checksums
from tunedb.store.delta.files import ROWS, Counted, LiveFile, Statistics, bounds, filesystem, live_files
from tunedb.store.delta.table import Table
from tunedb.store.ids import wrong_ids
from tunedb.store.schema import CHECKSUM, TableSchema

_NAMED = 3  # examples of each kind of damage
_WHOLE_TEXT = 32  # characters: of longer texts, statistics may have the beginning only


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What is wrong with one file of a table; nothing where all is empty."""

    file: LiveFile
    unreadable: str = ""  # why
    changed: tuple[int, ...] = ()  # places of rows that are not what was written
    named: tuple[str, ...] = ()  # keys of some of these
    footer: tuple[str, ...] = ()  # what the file's own footer says wrongly, for people
    log: tuple[str, ...] = ()  # what the table's log says wrongly, for people
    num_bytes: int = 0  # as they are
    statistics: Statistics | None = None  # as they are

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.unreadable or self.changed or self.footer or self.log)

    def problems(self, table: TableSchema) -> list[str]:
        """What is wrong, one sentence each."""
        where = f"{table.name}/{self.file.path}"
        if self.unreadable:
            return [f"{where} cannot be read: {self.unreadable}"]
        found = [f"{where}: {what}" for what in (*self.log, *self.footer)]
        if self.changed:
            examples = ", ".join(f"{table.key} {key}" for key in self.named)
            found.append(
                f"{table.name}: {len(self.changed)} row(s) are not what was written (checksum, id or median), such as "
                f"{examples} (in {self.file.path})"
            )
        return found


def audit(table: Table) -> Iterator[FileAudit]:
    """What is wrong with each live file of a table, sound ones among them."""
    store = filesystem(table)
    for file in live_files(table):
        try:
            yield _audit_file(table.schema, store, file)
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            yield FileAudit(file, unreadable=first_line(error))


def _audit_file(table: TableSchema, store: Any, file: LiveFile) -> FileAudit:
    import pyarrow.parquet as pq

    counted = Counted(table.statistics)
    changed: list[int] = []
    named: list[str] = []
    footer: list[str] = []
    place = 0
    with store.open_input_file(file.path) as stream, pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        num_bytes = stream.size()
        if not parquet.schema_arrow.equals(table.arrow()):
            raise ValueError(f"its columns are not those of {table.name}")
        for group in range(parquet.num_row_groups):
            lows_highs: dict[str, list[Any]] = {}
            for batch in parquet.iter_batches(ROWS, row_groups=[group]):
                batch.validate(full=True)
                rows = pa.Table.from_batches([batch])
                counted.add(rows)
                _widen(lows_highs, rows)
                for wrong in _changed(table, rows):
                    changed.append(place + wrong)
                    if len(named) < _NAMED:
                        named.append(_key(table, rows, wrong))
                place += rows.num_rows
            footer += _wrong_footer(parquet.metadata.row_group(group), lows_highs)
    found = counted.statistics()
    log = _wrong_statistics(table, file, num_bytes, found)
    return FileAudit(file, "", tuple(changed), tuple(named), tuple(footer), tuple(log), num_bytes, found)


def _changed(table: TableSchema, rows: pa.Table) -> list[int]:
    """The places of rows that are not what was written."""
    import pyarrow.compute as pc

    now = with_checksums(rows.drop_columns(CHECKSUM), table).column(CHECKSUM)
    same = pc.fill_null(pc.equal(now, rows.column(CHECKSUM)), False)
    wrong = {place for place, is_same in enumerate(same.to_pylist()) if not is_same}
    return sorted(wrong.union(wrong_ids(table, rows)))


def _key(table: TableSchema, rows: pa.Table, place: int) -> str:
    return ", ".join(str(rows.column(name.strip())[place].as_py()) for name in table.key.split(","))


def _widen(found: dict[str, list[Any]], rows: pa.Table) -> None:
    """Takes the bounds of some rows more into account, of columns whose footers have bounds that queries go by."""
    for name in rows.column_names:
        if not pa.types.is_nested(rows.schema.field(name).type):
            low, high = bounds(rows.column(name))
            if low is not None:
                least, most = found.get(name, (low, high))
                found[name] = [min(low, least), max(high, most)]


def _wrong_footer(group: Any, actual: dict[str, list[Any]]) -> list[str]:
    wrong = []
    for place in range(group.num_columns):
        column = group.column(place)
        kept = column.statistics
        if kept is None or not kept.has_min_max or column.path_in_schema not in actual:
            continue
        low, high = actual[column.path_in_schema]
        if not (_begins(kept.min, low) and _ends(kept.max, high)):
            wrong.append(f"its footer has other bounds of {column.path_in_schema} than its rows")
    return wrong


def _wrong_statistics(table: TableSchema, file: LiveFile, num_bytes: int, found: Statistics) -> list[str]:
    """What the log says of a file that is not so."""
    said = file.statistics
    wrong = []
    if file.num_bytes != num_bytes:
        wrong.append(f"the log says that it has {file.num_bytes} bytes, and it has {num_bytes}")
    if said.num_rows != found.num_rows:
        wrong.append(f"the log says that it has {said.num_rows} rows, and it has {found.num_rows}")
    for name in table.statistics:
        if said.nulls.get(name) != found.nulls[name]:
            wrong.append(f"the log says that {name} is NULL {said.nulls.get(name)} times, not {found.nulls[name]}")
        for end, fits, mine, its in (
            ("lowest", _begins, said.lowest.get(name), found.lowest.get(name)),
            ("highest", _ends, said.highest.get(name), found.highest.get(name)),
        ):
            if not fits(mine, its):
                wrong.append(f"the log says that the {end} {name} is {mine!r}, and it is {its!r}")
    return wrong


def _begins(kept: Any, actual: Any) -> bool:
    """Whether a lower bound that was kept is that of the rows, or the beginning of a long text."""
    if _is_long(actual):
        return kept is None or bool(kept <= actual)
    return _same(kept, actual)


def _ends(kept: Any, actual: Any) -> bool:
    if _is_long(actual):
        return kept is None or bool(kept >= actual)
    return _same(kept, actual)


def _same(kept: Any, actual: Any) -> bool:
    if isinstance(kept, float) and isinstance(actual, (int, float)):
        return kept == actual or (math.isnan(kept) and math.isnan(actual))
    return bool(kept == actual)


def _is_long(value: Any) -> bool:
    return isinstance(value, (str, bytes)) and len(value) > _WHOLE_TEXT
