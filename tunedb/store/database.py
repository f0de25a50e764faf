"""This process's DuckDB: one for all stores, because starting one takes longer than a query."""

from __future__ import annotations

import atexit
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

_Answer = TypeVar("_Answer")

_LOG = logging.getLogger(__name__)
_MEMORY = "300MB"  # what does not fit goes to a temporary folder: a question about a whole store takes twice as long


@cache
def database() -> duckdb.DuckDBPyConnection:
    """The DuckDB, of which everybody takes a `cursor()`.

    It holds nothing but what it remembers of files; those of a store never change.
    """
    atexit.register(database.cache_clear)  # what is left alive at exit, DuckDB complains of
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "parquet_metadata_cache": "true",
            "memory_limit": _MEMORY,
            "temp_directory": _spill(),
        }
    )


def _spill() -> str:
    """A folder that DuckDB makes when it needs it, and removes; empty where nothing can be written."""
    try:
        return str(Path(tempfile.gettempdir()) / f"tunedb-{os.getpid()}.spill")
    except FileNotFoundError:
        return ""


def answer(cursor: duckdb.DuckDBPyConnection, question: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """All rows of the answer to a question, with more memory if it cannot do without, from then on.

    Args:
        cursor: one of `database()`.
        question: in SQL.
        values: what stands for its `?`.

    Raises:
        duckdb.Error: DuckDB cannot answer it.
    """
    return _with_memory(cursor, lambda: cursor.execute(question, list(values)).fetchall())


def batches(
    cursor: duckdb.DuckDBPyConnection, question: str, values: Sequence[object], rows: int
) -> Iterator[pa.RecordBatch]:
    """The answer to a question batch by batch, with more memory as in `answer`.

    Args:
        cursor: one of `database()`.
        question: in SQL.
        values: what stands for its `?`.
        rows: of a batch.
    """

    def begun() -> tuple[Any, pa.RecordBatch | None]:
        reader: Any = cursor.sql(question, params=list(values)).to_arrow_reader(rows)
        return reader, next(reader, None)  # by then all is sorted

    reader, first = _with_memory(cursor, begun)
    if first is not None:
        yield first
    yield from reader


def _with_memory(cursor: duckdb.DuckDBPyConnection, ask: Callable[[], _Answer]) -> _Answer:
    try:
        return ask()
    except duckdb.OutOfMemoryException as error:  # lists cannot go to a file
        _LOG.info("%s: with more memory, again", error)
        cursor.execute("RESET GLOBAL memory_limit")
        return ask()
