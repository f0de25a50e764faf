"""This process's DuckDB: one for all stores, because starting one takes longer than a query."""

from __future__ import annotations

import atexit
from functools import cache

import duckdb


@cache
def database() -> duckdb.DuckDBPyConnection:
    """The DuckDB, of which everybody takes a `cursor()`.

    It holds nothing but what it remembers of files; those of a store never change.
    """
    atexit.register(database.cache_clear)  # what is left alive at exit, DuckDB complains of
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "parquet_metadata_cache": "true"})
