"""Merging of a table's files, one compaction at a time: each file makes every later commit and query slower (0.1 ms).

delta-rs lets two compactions of the same files land, and all their rows then stand twice. In a folder, a lock parts
them (`tunedb.store.delta.guard`). In an object store there is none: there, and wherever a person asks, merged files
take the place of others in a commit that fails if any other came between; after an append it is tried again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError

from tunedb.errors import first_line
from tunedb.records import CompactedTable
from tunedb.store.database import answer, batches, database
from tunedb.store.delta.files import ROWS, LiveFile, filesystem, live_files, replace_files, written
from tunedb.store.delta.guard import compacting
from tunedb.store.delta.parts import ranges
from tunedb.store.delta.table import WRITER, Table, parquet_relation, store_errors
from tunedb.store.locations import is_url

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOG = logging.getLogger(__name__)
MANY_FILES = 64
TOO_MANY_FILES = 256  # of larger ones, which else wait for `settle`: merging them would hold an append up
SMALL_BYTES = 256 << 10
MEDIUM_BYTES = 16 << 20  # delta-rs holds the rows of a merged file in memory: some 150 MB
_FILE_ROWS = 1 << 20  # of a file that a person asks to be compacted: some 60 MB of trials
_SORTED_ROWS = 1 << 16  # at once
_ATTEMPTS = 5
_LANDINGS = 50  # each takes a hundredth of what an append does


def merge_files(table: Table, size: int, many: int) -> None:
    """Merges the files below a size if there are many, unless another compaction is at work.

    Readers of older versions keep their files; only a vacuum removes them.

    Args:
        table: the table.
        size: in bytes.
        many: how many there must be.
    """
    if not _is_crowded(table, size, many):
        return
    with compacting(_store(table), waits=False) as is_free:
        if not is_free:
            return
        try:
            table.refresh()  # the one before may have merged them already
            if not _is_crowded(table, size, many):
                return
            if is_url(table.url):
                small = [file for file in live_files(table) if file.num_bytes < size]
                replace_files(table, small, list(_sorted(table, small)), "merge")
            else:
                table.open().optimize.compact(
                    target_size=size,
                    max_concurrent_tasks=1,
                    writer_properties=WRITER,
                    post_commithook_properties=table.hooks,
                )
        except (DeltaError, OSError) as error:  # what was appended is safe: the next append tries again
            _LOG.debug("%s: small files stay unmerged for now: %s", table.url, first_line(error))


def after_append(table: Table) -> None:
    """Merges what many appends left."""
    merge_files(table, SMALL_BYTES, MANY_FILES)
    merge_files(table, MEDIUM_BYTES, TOO_MANY_FILES)


def settle(table: Table) -> None:
    """After many commits: merges what they left, and sums up the log, for whoever opens the table next."""
    merge_files(table, MEDIUM_BYTES, MANY_FILES // 2)
    table.sum_up_log()


def compact(table: Table, grace: timedelta) -> CompactedTable:
    """Merges all files, sorted by what queries select by, and removes files that no version needs any more.

    Writers and readers go on meanwhile; another compaction is waited for.

    Args:
        table: the table.
        grace: files of superseded versions stay at least this long; older versions can then no longer be read.
    """
    with store_errors(f"compact the table {table.url}"), compacting(_store(table), waits=True):
        table.refresh()
        before = len(table.files())
        if before > 1:
            _rewrite(table)
        hours = int(grace.total_seconds() // 3600)
        removed = table.open().vacuum(
            hours, dry_run=False, enforce_retention_duration=False, post_commithook_properties=table.hooks
        )
    table.sum_up_log()
    return CompactedTable(table.schema.name, before, len(table.files()), len(removed))


def _rewrite(table: Table) -> None:
    """Merges and sorts a table's files, if nobody takes rows out meanwhile."""
    for _ in range(_ATTEMPTS):
        old = live_files(table)
        new = list(_sorted(table, old))
        if _landed(table, old, new):
            return
    _LOG.warning("%s: its files stay as they are: others took rows out or merged them all the time", table.url)


def _landed(table: Table, old: Sequence[LiveFile], new: Sequence[LiveFile]) -> bool:
    """Puts files in the place of others as soon as no append comes between; False when the others have gone."""
    for attempt in range(_LANDINGS):
        try:
            replace_files(table, old, new, "compact")
            return True
        except CommitFailedError as error:
            _LOG.info("%s: others write to it: %s", table.url, first_line(error))
            time.sleep(random.uniform(0.0, 0.01 * (attempt + 1)))  # noqa: S311 - not for secrets
            table.refresh()
            if not {file.path for file in old} <= {file.path for file in live_files(table)}:
                return False
    return False


def _sorted(table: Table, files: Sequence[LiveFile]) -> Iterator[LiveFile]:
    """Writes the rows of some files anew, in the table's order."""
    parts = (pa.Table.from_batches([batch]) for batch in _rows_in_order(table, files))
    for first in parts:
        file = written(table, chain([first], islice(parts, _FILE_ROWS // ROWS - 1)))
        if file is not None:
            yield file


def _rows_in_order(table: Table, files: Sequence[LiveFile]) -> Iterator[pa.RecordBatch]:
    """The rows of files, sorted range by range: all at once would take as much memory as there are."""
    order = table.schema.order or tuple(table.schema.key.split(", "))
    with database().cursor() as cursor:
        rows = _relation(table, files, cursor)
        counted = answer(cursor, f"SELECT {order[0]}, count(*) FROM {rows} GROUP BY 1 ORDER BY 1")
        for first, last, _ in ranges([(str(name), count) for name, count in counted], _SORTED_ROWS):
            question = f"SELECT * FROM {rows} WHERE {order[0]} BETWEEN ? AND ? ORDER BY {', '.join(order)}"
            yield from batches(cursor, question, [first, last], ROWS)


def _relation(table: Table, files: Sequence[LiveFile], cursor: DuckDBPyConnection) -> str:
    """The rows of files, as DuckDB asks for them."""
    if not is_url(table.url):
        wanted = {file.path for file in files}
        return parquet_relation([path for path in table.files() if path.rpartition("/")[2] in wanted])
    import pyarrow.dataset as ds

    cursor.register(
        "rows", ds.dataset([file.path for file in files], schema=table.schema.arrow(), filesystem=filesystem(table))
    )
    return "rows"


def _is_crowded(table: Table, size: int, many: int) -> bool:
    if len(table.open().file_uris()) < many:
        return False
    return sum(file.num_bytes < size for file in live_files(table)) >= many


def _store(table: Table) -> str:
    return table.url.rpartition("/")[0]
