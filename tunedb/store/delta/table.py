"""One Delta Lake table: opened or made, read at a consistent version, appended to by several processes at once."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
import duckdb
import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError

from tunedb.errors import NotFoundError, StoreError, StoreSchemaError, UsageError, first_line
from tunedb.store.checksums import with_checksums
from tunedb.store.delta import paths
from tunedb.store.delta.history import SEEN, Commit, commits_of
from tunedb.store.delta.log import read_log
from tunedb.store.delta.meanwhile import MARK, added_meanwhile
from tunedb.store.delta.versions import DESCRIPTION, refuse_other_version, schema_version
from tunedb.store.locations import is_url
from tunedb.store.schema import CHECKSUM, SCHEMA_VERSION, TableSchema

_LOG = logging.getLogger(__name__)
_COMMIT_ATTEMPTS = 40
_MANY_COMMITS = 8
_SUMMED_UP = 100  # commits: as often as Delta Lake sums up a log by itself
# Zstandard at its fastest: half of Snappy's size at a tenth more time.
# Groups are what a query of one workload reads or skips.
WRITER = deltalake.WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=8192)

Bounds = Mapping[str, tuple[Any, Any]]  # by column: the lowest and the highest value that is asked for


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turns the libraries' errors into `StoreError` with a text that names what was being done."""
    try:
        yield
    except StoreError:
        raise
    except (DeltaError, duckdb.Error, pa.ArrowException, OSError) as error:
        raise StoreError(f"cannot {what}: {paths.with_real_names(first_line(error))}") from error


class Table:
    """A table that is append-only, and read as the list of its live files."""

    def __init__(self, root: str, schema: TableSchema, storage_options: dict[str, str] | None = None) -> None:
        self.schema = schema
        self.url = f"{root.rstrip('/')}/{schema.name}"
        self._options = storage_options
        self._hooks = paths.hooks(self.url)
        self._delta: deltalake.DeltaTable | None = None
        self._pinned = False
        self._commits = 0  # of this object since it last summed up the log

    def exists(self) -> bool:
        """Whether the table is there."""
        with store_errors(f"look for the table {self.url}"):
            return paths.is_table(self.url, self._options)

    def is_absent(self) -> bool:
        """Whether the table is one that a store may lack, and this one does: it is empty until it is written to."""
        if not self.schema.is_late or self._delta is not None:
            return False
        if self._pinned:
            return True
        is_damaged = not is_url(self.url) and any(Path(self.url).glob("*.parquet"))
        return not self.exists() and not is_damaged

    def create(self) -> None:
        """Makes the table if it is not there; several processes may do so at once."""
        statistics = ",".join(self.schema.statistics)
        with store_errors(f"make the table {self.url}"):
            try:
                self._delta = paths.make_table(
                    self.url,
                    self._options,
                    schema=self.schema.arrow(),
                    description=f"{DESCRIPTION} {SCHEMA_VERSION}",
                    configuration={"delta.dataSkippingStatsColumns": statistics},
                )
            except DeltaError:
                if not self.exists():  # else another process was first
                    raise
                self._delta = None

    def open(self) -> deltalake.DeltaTable:
        """The table as Delta Lake knows it.

        Raises:
            StoreError: it is not there, or cannot be read.
            StoreSchemaError: it is of another schema version.
        """
        if self._delta is None:
            with store_errors(f"open the table {self.url}"):
                try:
                    delta = paths.open_table(self.url, self._options)
                except DeltaError as error:
                    if not self.exists():
                        raise StoreError(
                            f"the store has no table {self.schema.name} ({self.url}): run `tunedb repair`"
                        ) from error
                    if faults := self.faults_of_log():
                        raise StoreError(f"{faults[0]}: run `tunedb repair`, which loses nothing") from error
                    raise
                self._check_schema(delta)
                self._delta = delta
        return self._delta

    def faults_of_log(self) -> list[str]:
        """What is wrong with the log of a table in a folder, for people. An object store looks after its own files."""
        return [] if is_url(self.url) else read_log(Path(self.url)).faults()

    def pin(self, version: int | None) -> None:
        """Goes back to a version, and stays there; None is none, of a table that is absent.

        Raises:
            NotFoundError: there is no such version.
        """
        if version is None:
            self._pinned = True
            return
        self.open()
        try:
            delta = paths.open_table(self.url, self._options, version)
        except (DeltaError, ValueError, OverflowError, OSError) as error:
            raise NotFoundError(
                f"the store has no version {version}; its newest is {self._newest()}",
                kind="version",
                asked=str(version),
            ) from error
        self._check_schema(delta, f"version {version} of ")
        self._delta = delta
        self._pinned = True

    def commits(self) -> list[Commit]:
        """The versions whose commits the log still has, oldest first."""
        with store_errors(f"read the table {self.url}"):
            return commits_of(paths.history(self.url, self._options))

    def _newest(self) -> int:
        with store_errors(f"read the table {self.url}"):
            return int(paths.open_table(self.url, self._options).version())

    def refresh(self) -> None:
        """Moves on to the newest version, unless the table is pinned to another."""
        if self.is_absent():
            return
        if self._delta is None:
            self.open()
        elif not self._pinned:
            with store_errors(f"read the table {self.url}"):
                self._move_on(self._delta)

    def _move_on(self, delta: deltalake.DeltaTable) -> deltalake.DeltaTable:
        if self._hooks is None:
            delta.update_incremental()
        else:  # which follows links
            delta = self._delta = paths.open_table(self.url, self._options)
        return delta

    @property
    def options(self) -> dict[str, str] | None:
        """How to reach the table, in Delta Lake's terms."""
        return self._options

    @property
    def hooks(self) -> Any:
        """What Delta Lake does after a commit."""
        return self._hooks

    def version(self) -> int:
        """The version that is read."""
        return int(self.open().version())

    def is_open(self) -> bool:
        """Whether the table was read or written by this object."""
        return self._delta is not None

    def files(self) -> list[str]:
        """The live files of the version that is read, local ones as libraries take them literally."""
        if self.is_absent():
            return []
        with store_errors(f"read the table {self.url}"):
            uris = self.open().file_uris()
        if is_url(self.url):
            return list(uris)
        folder = paths.literal(self.url)  # tables have no partitions, and Delta Lake percent-encodes folders
        return [f"{folder}/{unquote(uri.rpartition('/')[2])}" for uri in uris]

    def bytes_stored(self) -> int:
        """The size of the live files."""
        with store_errors(f"read the table {self.url}"):
            actions = add_actions(self.open())
            return sum(actions.column("size_bytes").to_pylist())

    def num_rows(self) -> int:
        """How many rows there are, by the statistics of the files; 0 where they are not known."""
        with store_errors(f"read the table {self.url}"):
            return sum(count or 0 for count in add_actions(self.open()).column("num_records").to_pylist())

    def append(self, columns: dict[str, Any], seen: Mapping[str, int] | None = None) -> set[str]:
        """Appends rows in one commit, each with its checksum. On return they are durable.

        Args:
            columns: all columns of the table but `checksum`.
            seen: the versions of the tables that they refer to, which the commit is to tell.

        Returns:
            The keys of those rows that others had committed since the version that was read: they stand twice now.

        Raises:
            StoreError: they could not be written.
        """
        if self._pinned:
            raise UsageError(f"{self.url} is open as of an earlier version: nothing can be added to the past")
        if self.is_absent():
            self.create()
        delta = self.open()
        read, mark = int(delta.version()), uuid.uuid4().hex
        with store_errors(f"write to the table {self.url}"):
            names = [name for name in self.schema.columns if name != CHECKSUM]
            rows = pa.table(columns, schema=pa.schema([self.schema.arrow().field(name) for name in names]))
            if self.schema.order:
                rows = rows.sort_by([(column, "ascending") for column in self.schema.order])
            rows = with_checksums(rows, self.schema)
            for attempt in range(1, _COMMIT_ATTEMPTS + 1):
                try:
                    deltalake.write_deltalake(
                        delta,
                        rows,
                        mode="append",
                        writer_properties=WRITER,
                        commit_properties=deltalake.CommitProperties(
                            {MARK: mark, **({SEEN: dict(seen)} if seen else {})}
                        ),
                        post_commithook_properties=self._hooks,
                    )
                    break
                except CommitFailedError:
                    if attempt == _COMMIT_ATTEMPTS:
                        raise
                    _LOG.debug("%s: commit %d met another writer's, again", self.url, attempt)
                    time.sleep(random.uniform(0, min(0.02 * attempt, 0.5)))  # noqa: S311 - only spreads writers out
                    delta = self._move_on(delta)
            key = self.schema.key
            # None where several columns are the key: nobody counts such rows.
            theirs = added_meanwhile(delta, read, mark, key, columns[key]) if key in columns else set()

        self._commits += 1
        if self._hooks is not None and delta.version() % _SUMMED_UP == _SUMMED_UP - 1:
            self.sum_up_log()
        return theirs

    @property
    def is_unsettled(self) -> bool:
        """Whether this object has made many commits."""
        return self._commits >= _MANY_COMMITS

    def sum_up_log(self) -> None:
        """Writes a checkpoint, by which whoever comes next opens the table faster."""
        self._commits = 0
        try:
            paths.sum_up(self.url, self._options)
        except (DeltaError, OSError) as error:  # nothing is lost without it
            _LOG.debug("%s: no checkpoint: %s", self.url, first_line(error))

    def dataset(self) -> Any:
        """The version that is read, as a `pyarrow.dataset.Dataset`."""
        if self.is_absent():
            import pyarrow.dataset as ds

            return ds.dataset(self.schema.arrow().empty_table())
        with store_errors(f"read the table {self.url}"):
            return self.open().to_pyarrow_dataset()

    def files_within(self, bounds: Bounds) -> list[str]:
        """The live files that may hold rows within bounds, by the statistics that Delta Lake keeps of each file."""
        with store_errors(f"read the table {self.url}"):
            delta = self.open()
            actions = add_actions(delta)
        files = self.files()
        if len(files) != actions.num_rows:
            return files
        within = [True] * len(files)
        for column, (lowest, highest) in bounds.items():
            if f"min.{column}" not in actions.column_names:
                continue
            lows, highs = (actions.column(f"{end}.{column}").to_pylist() for end in ("min", "max"))
            for place, (low, high) in enumerate(zip(lows, highs, strict=True)):
                if low is not None and high is not None and (low > highest or high < lowest):
                    within[place] = False
        by_name = {file.rpartition("/")[2]: file for file in files}
        paths = compress(actions.column("path").to_pylist(), within)
        return [by_name[path.rpartition("/")[2]] for path in paths]

    def relation(self, bounds: Bounds | None = None) -> str:
        """What to write after FROM to query the version that is read, or only those files that may hold some rows."""
        files = self.files() if bounds is None else self.files_within(bounds)
        if not files:
            casts = ", ".join(f"NULL::{_duckdb_type(field.type)} AS {field.name}" for field in self.schema.arrow())
            return f"(SELECT {casts} WHERE false)"
        return parquet_relation(files)

    def _check_schema(self, delta: deltalake.DeltaTable, which: str = "") -> None:
        written = schema_version(delta, self.url)
        if which and written < SCHEMA_VERSION:
            raise StoreSchemaError(
                f"{which}{self.url} has schema version {written}: the store was migrated since",
                found=written,
                expected=SCHEMA_VERSION,
            )
        refuse_other_version(written, self.url.removesuffix(f"/{self.schema.name}"))


def add_actions(delta: deltalake.DeltaTable) -> pa.Table:
    """A row for each live file, with its size and statistics. `pa.table` would import pandas where it is installed."""
    return pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True)).read_all()


def parquet_relation(files: Sequence[str]) -> str:
    """What to write after FROM to query some Parquet files, by names that DuckDB takes literally."""
    quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"read_parquet([{quoted}], hive_partitioning = false)"


def _duckdb_type(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return "DOUBLE[]"
    if pa.types.is_timestamp(type_):
        return "TIMESTAMPTZ"
    names = {"string": "VARCHAR", "binary": "BLOB", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE"}
    return names[str(type_)]
