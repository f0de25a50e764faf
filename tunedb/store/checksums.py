"""Checksums of rows: what a row of a table was when it was written, in 63 bits of MD5 over all its other columns.

They guard against damage, not against somebody who computes them anew. DuckDB computes them, and checks them where they
lie, so no row of a large table comes into Python. A column that is NULL or has its field's default enters no checksum,
so a column that a later version adds changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunedb.store.schema import CHECKSUM, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa


def checksum_sql(table: TableSchema, columns: Mapping[str, str] | None = None) -> str:
    """The checksum of a row of a table, as an expression of DuckDB's.

    Args:
        table: the row's table.
        columns: other expressions in the place of some columns, by their names.
    """
    given = dict(columns or {})
    pieces = [
        _piece(name, given.get(name, f'"{name}"'), type_, table.defaults.get(name))
        for name, type_ in table.columns.items()
        if name != CHECKSUM
    ]
    return f"(md5_number_lower(concat({', '.join(pieces)})) >> 1)::BIGINT"


def with_checksums(rows: pa.Table, table: TableSchema) -> pa.Table:
    """Rows of a table with all columns but the last, and then the last: the checksums."""
    import pyarrow as pa

    from tunedb.store.database import database

    numbered = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    with database().cursor() as cursor:
        cursor.register("rows", numbered)
        found = cursor.sql(f"SELECT {checksum_sql(table)} AS {CHECKSUM} FROM rows ORDER BY place").to_arrow_table()
    return rows.append_column(table.arrow().field(CHECKSUM), found.column(CHECKSUM))


def _piece(name: str, column: str, type_: str, default: Any) -> str:
    """What a column contributes to the text that is hashed: NULL for nothing, which `concat` leaves out."""
    text = {
        "string": f"strlen({column})::VARCHAR || ':' || {column}",
        "binary": f"md5({column})",
        "timestamp": f"epoch_us({column})::VARCHAR",
    }.get(type_, f"{column}::VARCHAR")
    told = f"'{name}=' || {text} || ';'"
    if default is None:
        return told
    return f"CASE WHEN {column} IS NULL THEN '{name};' WHEN {column} <> {_literal(default)} THEN {told} END"


def _literal(default: Any) -> str:
    if isinstance(default, str):
        return "'" + default.replace("'", "''") + "'"
    if isinstance(default, bytes):
        return "'" + "".join(f"\\x{byte:02X}" for byte in default) + "'::BLOB"
    return "[]" if default == () else repr(default)
