"""SQLite databases of MetaSchedule's workloads and tuning records, as the lines of the JSON files that they stand for.

People keep them with columns of their own names, in one file or in two. So what a column holds is told by its content:
a trace, run times, a target, arguments, a module in base64; or whole lines of any log that is read. Rows count in the
order in which they were inserted.
"""

from __future__ import annotations

import base64
import io
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from typing_extensions import override

from tunedb.errors import BadInputError, DamagedError
from tunedb.ingest.formats.detect import RECORD_FORMATS, Format, detect

_LOOKED_AT = 50  # rows of each table
_UNKNOWN_HASH = "0"

_CONTENTS = {
    "args": re.compile(r'\s*\[\s*(?:\]|\[\s*")'),
    "trace": re.compile(r"\s*\[\s*\[\s*[\[\]]"),
    "secs": re.compile(r"\s*(?:\[\s*[-+.\dNni]|None\s*$|null\s*$)"),
    "target": re.compile(
        r'\s*(?:\{|"?(?:llvm|cuda|c|metal|opencl|vulkan|rocm|hexagon|webgpu|nvidia|apple|raspberry)\b)'
    ),
    "number": re.compile(r"\s*-?\d+\s*$"),
    "module": re.compile(r"\s*[A-Za-z0-9+/\s]{40,}={0,2}\s*$"),
}
_INDEX_NAMES = re.compile(r"work|mod|task|idx|index", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LogTable:
    """A table that holds a log."""

    path: Path
    name: str
    form: Format  # of the lines that it stands for
    columns: Mapping[str, str]  # the column of each part; of whole lines that of "line"
    ids: tuple[str, str] | None = None  # of records: table and column of workloads whose values they refer to

    def open(self) -> BinaryIO:
        """The lines as a stream.

        Raises:
            BadInputError: the database cannot be read on.
        """
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, _Lines(self._lines()))))

    def _lines(self) -> Iterator[bytes]:
        with closing(_connected(self.path)) as database:
            places: dict[object, int] | None = None
            if self.ids is not None:
                table, column = self.ids
                rows = _rows(database, table, [column])
                places = {row[0]: place for place, row in enumerate(rows)}
            for row in _rows(database, self.name, list(self.columns.values())):
                line = self._line(dict(zip(self.columns, row, strict=True)), places)
                yield line.replace("\n", " ").encode("utf-8", "surrogateescape") + b"\n"

    def _line(self, row: Mapping[str, object], places: Mapping[object, int] | None) -> str:
        if "line" in row:
            return _text(row["line"])
        if self.form is Format.WORKLOADS:
            digits = _text(row["number"]).strip() if "number" in row else _UNKNOWN_HASH
            if digits.startswith("-"):  # SQLite's integers have a sign, structural hashes have none
                digits = str(int(digits) + (1 << 64))
            return f'["{digits}","{_module(row["module"])}"]'
        index = row.get("number", 0)
        if places is not None:
            index = places.get(index, -1)
        secs = _text(row["secs"]) if not isinstance(row["secs"], float) else f"[{row['secs']!r}]"
        target = _text(row["target"]).strip()
        if not target.startswith(("{", '"')):
            target = f'"{target}"'
        args = _text(row["args"]) if "args" in row else "[]"
        return f"[{_text(index)},[{_text(row['trace'])},{secs.replace('None', 'null')},{target},{args}]]"


def log_tables(path: Path) -> list[LogTable]:
    """The tables of a SQLite database that hold logs.

    Args:
        path: the database. It is opened to be read only; beside one with a write-ahead log SQLite may make its files.

    Raises:
        DamagedError: it is damaged.
        BadInputError: it cannot be read.
    """
    try:
        with closing(_connected(path)) as database:
            (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise DamagedError(f"the database is damaged ({state})")
            question = (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY rowid"
            )
            names = [name for (name,) in database.execute(question) if not name.startswith("sqlite_")]
            tables = [table for name in names if (table := _log_table(database, path, name)) is not None]
            return [_referring(database, table, tables) for table in tables]
    except sqlite3.Error as error:
        raise DamagedError(f"the database cannot be read: {error}") from error


def _connected(path: Path) -> sqlite3.Connection:
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
    is_settled = not any(file.exists() and file.stat().st_size for file in beside)
    name = quote(str(path.absolute()).encode("utf-8", "surrogateescape"))
    options = "?mode=ro&immutable=1" if is_settled else "?mode=ro"
    database = sqlite3.connect(f"file:{name}{options}", uri=True, check_same_thread=False)
    database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def _rows(
    database: sqlite3.Connection, table: str, columns: Sequence[str], limit: int = -1
) -> Iterator[tuple[Any, ...]]:
    wanted = ", ".join(_quoted(column) for column in columns)
    question = f"SELECT {wanted} FROM {_quoted(table)} {{}} LIMIT {limit}"
    try:
        yield from database.execute(question.format("ORDER BY rowid"))
    except sqlite3.OperationalError as error:
        if "no such column" not in str(error):
            raise
        yield from database.execute(question.format(""))  # a table without row numbers is in its key's order


def _log_table(database: sqlite3.Connection, path: Path, name: str) -> LogTable | None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({_quoted(name)})")]
    sample = list(_rows(database, name, columns, _LOOKED_AT)) if columns else []
    values = {column: [row[place] for row in sample if row[place] is not None] for place, column in enumerate(columns)}
    for column, given in values.items():
        forms = {
            detect("", _text(value).encode("utf-8", "replace")) for value in given if isinstance(value, str | bytes)
        }
        if len(forms) == 1 and (form := forms.pop()) in (*RECORD_FORMATS, Format.WORKLOADS):
            return LogTable(path, name, form, {"line": column})
    found: dict[str, list[str]] = {}
    for column, given in values.items():
        if (content := _content(given)) is not None:
            found.setdefault(content, []).append(column)
    numbers = sorted(found.get("number", []), key=lambda column: _INDEX_NAMES.search(column) is None)
    if "trace" in found and "secs" in found and "target" in found:
        parts = {part: found[part][0] for part in ("trace", "secs", "target", "args") if part in found}
        return LogTable(path, name, Format.RECORDS, parts | ({"number": numbers[0]} if numbers else {}))
    if "module" in found:
        hashes = sorted(numbers, key=lambda column: -max(len(_text(value)) for value in values[column]))
        return LogTable(
            path, name, Format.WORKLOADS, {"module": found["module"][0]} | ({"number": hashes[0]} if hashes else {})
        )
    return None


def _referring(database: sqlite3.Connection, table: LogTable, tables: Sequence[LogTable]) -> LogTable:
    """A table of records, with the column of workloads that its numbers refer to; none where they are positions."""
    workloads = [other for other in tables if other.form is Format.WORKLOADS]
    if table.form is not Format.RECORDS or "number" not in table.columns or len(workloads) != 1:
        return table
    referring = table.columns["number"]
    question = f"SELECT DISTINCT {_quoted(referring)} FROM {_quoted(table.name)}"
    used = {value for (value,) in database.execute(question)}
    names = [row[1] for row in database.execute(f"PRAGMA table_info({_quoted(workloads[0].name)})")]
    names = [name for name in names if name != workloads[0].columns.get("module")]
    fits: list[str] = []
    for name in names:
        values = [row[0] for row in _rows(database, workloads[0].name, [name])]
        if values == list(range(len(values))):
            return table  # it counts from 0: positions
        if len(set(values)) == len(values) and used <= set(values):
            fits.append(name)
    is_position = 0 in used or re.search("index|idx|pos", referring, re.IGNORECASE) is not None
    if not fits or (is_position and all(isinstance(value, int) and value < 1 << 31 for value in used)):
        return table
    return LogTable(table.path, table.name, table.form, table.columns, (workloads[0].name, fits[0]))


def _content(values: Sequence[object]) -> str | None:
    """What a column holds, by its values; None if nothing that is known."""
    if not values:
        return None
    if all(isinstance(value, float) for value in values):
        return "secs"
    texts = [_text(value) for value in values]
    if any(isinstance(value, bytes) and _is_framed(value) for value in values):
        return "module"
    matches = {kind: sum(known.match(text) is not None for text in texts) for kind, known in _CONTENTS.items()}
    likely = max(matches, key=matches.__getitem__)  # of equal ones the first
    return likely if matches[likely] * 2 > len(texts) else None


def _module(value: object) -> str:
    if isinstance(value, bytes) and _is_framed(value):
        return base64.b64encode(value).decode()
    return re.sub(r"\s", "", _text(value))


def _is_framed(value: bytes) -> bool:
    """Whether it is a module as it stands in base64 in the JSON file: its length, and its graph."""
    return len(value) > 8 and int.from_bytes(value[:8], "little") == len(value) - 8


def _text(value: object) -> str:
    if value is None:
        return "null"
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Lines(io.RawIOBase):
    """Lines, one after the other, as a stream."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__()
        self._lines = lines
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            try:
                self._rest = next(self._lines, b"")
            except sqlite3.Error as error:
                raise BadInputError(f"the database cannot be read on: {error}") from error
        given, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
