"""This process's DuckDB: one for all stores, because starting one takes longer than a query.

It remembers what it read at the end of each Parquet file, and never forgets it by itself: 35 KiB a file of trials. A
service writes and merges files for months, so that another DuckDB takes its place when that adds up.
"""

from __future__ import annotations

import atexit
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

_Answer = TypeVar("_Answer")

_LOG = logging.getLogger(__name__)
_MEMORY = "300MB"  # what does not fit goes to a temporary folder: a question about a whole store takes twice as long


_MOST_REMEMBERED = 4 << 20  # bytes of what is remembered of files: of some 120
_LOOK_EVERY = 512  # times that it is asked for: a look takes as long as a question
REMEMBER_NOTHING = "SET SESSION parquet_metadata_cache = false"
"""What has a cursor remember nothing of the files that it reads."""
_REMEMBERED = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"


def database() -> duckdb.DuckDBPyConnection:
    """The DuckDB, of which everybody takes a `cursor()`.

    It holds nothing but what it remembers of files; those of a store never change. Whoever has a cursor keeps the
    DuckDB that it is of.
    """
    return _shared().current()


class _Shared:
    """The DuckDB that is asked now; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._asked = 0
        self._current = self._started()

    def current(self) -> duckdb.DuckDBPyConnection:
        """It, or a new one that takes its place."""
        with self._lock:
            self._asked += 1
            if self._asked % _LOOK_EVERY == 0 and remembered_bytes(self._current) > _MOST_REMEMBERED:
                self._current = self._started()
            return self._current

    def _started(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "parquet_metadata_cache": "true",
                "memory_limit": _MEMORY,
                "temp_directory": _spill(next(self._numbers)),
            }
        )


@cache
def _shared() -> _Shared:
    atexit.register(_shared.cache_clear)  # what is left alive at exit, DuckDB complains of
    return _Shared()


def remembered_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """How much a DuckDB remembers of files."""
    found = connection.cursor().execute(_REMEMBERED).fetchone()
    return int(found[0]) if found else 0


def _spill(number: int) -> str:
    """A folder that DuckDB makes when it needs it, and removes; empty where nothing can be written."""
    try:
        return str(Path(tempfile.gettempdir()) / f"tunedb-{os.getpid()}-{number}.spill")
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
