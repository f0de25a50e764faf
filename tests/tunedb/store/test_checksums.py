"""Checksums of rows: frozen, blind to columns that come later, and not to anything that is there."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from tunedb.store import schema
from tunedb.store.checksums import with_checksums
from tunedb.store.schema import CHECKSUM, TableSchema

KINDS = TableSchema(
    "kinds",
    "text",
    {
        "text": "string",
        "blob": "binary",
        "number": "int64",
        "secs": "double",
        "runs": "list<double>",
        "extents": "list<int64>",
        "at": "timestamp",
        "word": "string",
        CHECKSUM: "int64",
    },
    ("text",),
    defaults={"word": "it's", "number": None},
)
FROZEN = 7282391855719029148
ROW = {
    "text": "é;word=x",
    "blob": b"\x00\xff'",
    "number": 7,
    "secs": 1e-5,
    "runs": [0.1 + 0.2, 1e300, 5e-324],
    "extents": [1, -2],
    "at": datetime(2026, 11, 26, 1, 2, 3, 456789, UTC),
    "word": "it's",
}


def checksum(table: TableSchema = KINDS, **changes: object) -> int:
    told = pa.schema([field for field in table.arrow() if field.name != CHECKSUM])
    rows = pa.Table.from_pylist([{**ROW, **changes}], schema=told)
    (found,) = with_checksums(rows, table).column(CHECKSUM).to_pylist()
    assert isinstance(found, int) and 0 <= found < 1 << 63
    return found


def test_a_checksum_is_frozen() -> None:
    """Whatever DuckDB makes of a float or a time: another release of it must find the same."""
    assert checksum() == FROZEN


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "e;word=x"},
        {"text": "é;word=", "word": "x"},
        {"text": None},
        {"text": ""},
        {"blob": b"\x00\xfe'"},
        {"blob": None},
        {"number": 8},
        {"number": None},
        {"secs": 1.0000000000000002e-5},
        {"secs": float("nan")},
        {"runs": [0.3, 1e300, 5e-324]},
        {"runs": []},
        {"runs": None},
        {"extents": [-2, 1]},
        {"at": datetime(2026, 11, 26, 1, 2, 3, 456788, UTC)},
        {"at": None},
        {"word": "its"},
        {"word": None},
    ],
    ids=str,
)
def test_whatever_changes_is_seen(changes: dict[str, object]) -> None:
    assert checksum(**changes) != checksum()


def test_a_column_that_comes_later_changes_none_until_it_is_set() -> None:
    for default, value in (("", "x"), ("{}", "{1}"), (None, "x")):
        columns = {"new": "string", **KINDS.columns}
        later = dataclasses.replace(KINDS, columns=columns, defaults={**KINDS.defaults, "new": default})
        assert checksum(later, new=default) == checksum()
        assert checksum(later, new=value) != checksum()


def test_rows_keep_their_order() -> None:
    count = 30_000
    told = pa.schema([field for field in schema.SIGHTINGS.arrow() if field.name != CHECKSUM])
    columns = {"trial_id": [str(n) for n in range(count)], "source_id": ["s"] * count, "position": list(range(count))}
    rows = with_checksums(pa.table(columns, schema=told), schema.SIGHTINGS)
    backwards = rows.drop_columns(CHECKSUM).take(list(range(count))[::-1])
    assert (
        with_checksums(backwards, schema.SIGHTINGS).column(CHECKSUM).to_pylist()[::-1]
        == rows.column(CHECKSUM).to_pylist()
    )
    assert rows.column("position").to_pylist() == list(range(count))
    assert with_checksums(rows.slice(0, 0).drop_columns(CHECKSUM), schema.SIGHTINGS).num_rows == 0
