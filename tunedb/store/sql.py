"""Arbitrary read-only SQL over a store's tables, as documented in docs/sql.md.

The query runs in a database of its own that holds nothing but views of the tables. Files, the network, extensions and
settings are locked before it is looked at, it must be one SELECT, and it is interrupted when its time is up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from tunedb.errors import NotFoundError, UsageError, first_line
from tunedb.records import SqlResult
from tunedb.store.schema import TABLES

# A query that asks which tables there are names none of them, or not all.
_ASKS_FOR_TABLES = re.compile(r"\b(show|describe|summarize|information_schema|duckdb_\w+|pg_\w+|sqlite_\w+)\b", re.I)
_LOCKS = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET TimeZone = 'UTC'",
    "SET lock_configuration = true",
)


def run_sql(read: Callable[[str], object], query: str, limit_secs: float) -> SqlResult:
    """Answers one SELECT over views of a store's tables, one row a key: a key may stand in more than one row.

    Args:
        read: gives a table by name, as something that DuckDB can read more than once.
        query: one SELECT (WITH, FROM, VALUES, DESCRIBE and SHOW are forms of it).
        limit_secs: longest time that it may take.

    Raises:
        UsageError: it is not one SELECT, it reaches for what is locked, DuckDB rejects it, or its time was up.
        NotFoundError: it names a table or column that is not there.
    """
    import duckdb

    database = duckdb.connect(":memory:")
    try:
        _check_form(query)
        asks_for_tables = _ASKS_FOR_TABLES.search(query) is not None
        for table in TABLES:
            name = table.name
            if asks_for_tables or name in query.lower():  # a table that is not named costs nothing
                stored = database.from_arrow(read(name))
                view = stored.query("stored", f"SELECT DISTINCT ON ({table.key}) * FROM stored")
                assert view is not None  # a SELECT has an answer
                view.create_view(name)
        for lock in _LOCKS:
            database.execute(lock)
        return _within(database, query, limit_secs)
    except duckdb.CatalogException as error:
        raise NotFoundError(
            f"{first_line(error)}; there are {', '.join(sorted(table.name for table in TABLES))}"
        ) from error
    except duckdb.BinderException as error:
        raise NotFoundError(first_line(error)) from error
    except duckdb.InterruptException as error:
        raise UsageError(f"the query took longer than {limit_secs:g} s and was stopped") from error
    except duckdb.Error as error:
        raise UsageError(first_line(error)) from error
    finally:
        database.close()


def _check_form(query: str) -> None:
    import duckdb

    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        raise UsageError(f"one query at a time, please: this is {len(statements)}")
    if statements[0].type is not duckdb.StatementType.SELECT:
        raise UsageError(f"only SELECT is allowed, not {statements[0].type.name}: the store is read-only here")


def _within(database: Any, query: str, limit_secs: float) -> SqlResult:
    timer = threading.Timer(limit_secs, database.interrupt)
    timer.daemon = True
    timer.start()
    try:
        # By way of Arrow: DuckDB's own way from a time with a zone to Python needs another package.
        table = database.sql(query).to_arrow_table()
        columns = [_values(database, column) for column in table.columns]
        return SqlResult(tuple(table.column_names), list(zip(*columns, strict=True)))
    finally:
        timer.cancel()


def _values(database: Any, column: Any) -> list[Any]:
    """A column's values in Python; times that Python does not have (infinity, the year 20000) as texts."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        pass
    import pyarrow as pa

    texts = database.from_arrow(pa.table({"found": column})).project("CAST(found AS VARCHAR)").fetchall()
    return [_value(scalar, text) for scalar, (text,) in zip(column, texts, strict=True)]


def _value(scalar: Any, text: str) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return text
