"""The live files of one table as its log has them: read and written one by one, and replaced in one commit.

Appending is `tunedb.store.delta.table`'s. Here a file gives way to another one that holds its rows but some, or other
values in some: what `repair`, `remove` and `relabel` do. Files themselves never change.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import deltalake
import pyarrow as pa

from tunedb.store.delta.table import Table, add_actions

ROWS = 8192  # at a time: as many as a group of rows has


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a table's log says of a file: a column's bounds are of its values that are not NULL."""

    num_rows: int | None
    lowest: Mapping[str, Any] = field(default_factory=dict)  # by column; without those that have none
    highest: Mapping[str, Any] = field(default_factory=dict)
    nulls: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """As the log writes it."""
        return json.dumps(
            {
                "numRecords": self.num_rows,
                "minValues": self.lowest,
                "maxValues": self.highest,
                "nullCount": self.nulls,
            },
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A file of a table, as the table's log has it."""

    path: str  # within the table's folder
    num_bytes: int
    statistics: Statistics


def live_files(table: Table) -> list[LiveFile]:
    """The live files of the version of a table that is read."""
    found = []
    for row in add_actions(table.open()).to_pylist():
        lowest, highest, nulls = (
            {
                name.removeprefix(prefix): value
                for name, value in row.items()
                if name.startswith(prefix) and value is not None
            }
            for prefix in ("min.", "max.", "null_count.")
        )
        found.append(LiveFile(row["path"], row["size_bytes"], Statistics(row["num_records"], lowest, highest, nulls)))
    return found


def filesystem(table: Table) -> Any:
    """A `pyarrow.fs.FileSystem` whose root is the table's folder, on disk or in an object store."""
    import pyarrow.fs as pa_fs
    from deltalake.fs import DeltaStorageHandler

    return pa_fs.PyFileSystem(DeltaStorageHandler.from_table(table.open()._table, table.options))


class Counted:
    """The statistics of rows that come batch by batch, as the log keeps them for some columns of a table."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._rows = 0
        self._lowest: dict[str, Any] = {}
        self._highest: dict[str, Any] = {}
        self._nulls = dict.fromkeys(columns, 0)

    def add(self, rows: pa.Table) -> None:
        """Counts some rows more."""
        self._rows += rows.num_rows
        for name in self._columns:
            column = rows.column(name)
            self._nulls[name] += column.null_count
            low, high = bounds(column)
            if low is not None:
                self._lowest[name] = min(low, self._lowest.get(name, low))
                self._highest[name] = max(high, self._highest.get(name, high))

    def statistics(self) -> Statistics:
        """Those of all rows that were counted."""
        return Statistics(self._rows, dict(self._lowest), dict(self._highest), dict(self._nulls))


def bounds(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """The lowest and the highest value of a column; None and None where all are NULL or NaN."""
    import pyarrow.compute as pc

    found = pc.min_max(column).as_py()
    low, high = found["min"], found["max"]
    if isinstance(low, float) and not (math.isfinite(low) and math.isfinite(high)):
        return None, None  # JSON has no such numbers, and a NaN no order
    return low, high


def written(table: Table, batches: Iterable[pa.Table]) -> LiveFile | None:
    """Writes rows as a new file of a table, which counts from `replace_files` on; None where there are none."""
    import pyarrow.parquet as pq

    counted = Counted(table.schema.statistics)
    path = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
    store = filesystem(table)
    writer = stream = None
    try:
        for rows in batches:
            if not rows.num_rows:
                continue
            if writer is None:
                stream = store.open_output_stream(path)
                writer = pq.ParquetWriter(stream, table.schema.arrow(), compression="zstd", compression_level=1)
            counted.add(rows)
            writer.write_table(rows.cast(table.schema.arrow()), row_group_size=ROWS)
    finally:
        if writer is not None:
            writer.close()
        if stream is not None:
            stream.close()
    if writer is None:
        return None
    return LiveFile(path, store.get_file_info(path).size, counted.statistics())


def batches_of(table: Table, file: LiveFile, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a file, a few thousand at a time, in their order; all columns, or some."""
    import pyarrow.parquet as pq

    with filesystem(table).open_input_file(file.path) as stream, pq.ParquetFile(stream) as parquet:
        for batch in parquet.iter_batches(ROWS, columns=None if columns is None else list(columns)):
            yield pa.Table.from_batches([batch])


def replace_files(table: Table, old: Sequence[LiveFile], new: Sequence[LiveFile], what: str) -> None:
    """Puts files in the place of others, in one commit; nothing but that commit makes them count.

    Args:
        table: the table, at the version that `old` are files of.
        old: the files that give way. One whose path is also among `new` only gets other statistics.
        new: the files that take their place.
        what: why, for the table's history.

    Raises:
        CommitFailedError: the table has a later version. Nothing has changed: refresh and begin again.
    """
    from deltalake.transaction import AddAction, RemoveAction

    now = int(time.time() * 1000)
    staying = {file.path for file in new}
    actions: list[Any] = [
        RemoveAction(file.path, data_change=True, deletion_timestamp=now, size=file.num_bytes, partition_values={})
        for file in old
        if file.path not in staying
    ]
    actions += [AddAction(file.path, file.num_bytes, {}, now, True, file.statistics.to_json()) for file in new]
    delta = table.open()
    # Without retries: delta-rs takes this for an append, and would let it land beside a compaction of the same files.
    once = deltalake.CommitProperties(max_commit_retries=0, custom_metadata={"tunedb": what})
    delta.create_write_transaction(
        actions,
        mode="append",
        schema=delta.schema(),
        commit_properties=once,
        post_commithook_properties=table.hooks,
    )
    table.refresh()
