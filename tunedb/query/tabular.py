"""Trials as one flat table, for notebooks and other tools: pyarrow, pandas, Polars; Parquet, Arrow and CSV files.

A row is a trial with what it refers to, joined in. `COLUMNS` says what is in it. A file has the columns of
`RECORD_COLUMNS` and `VERDICTS_COLUMN` too, so that nothing is missing from it when it is ingested elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from tunedb.errors import StoreError, UsageError, first_line
from tunedb.files import new_files
from tunedb.records import Verdict
from tunedb.store.contract import StoreReader

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

COLUMNS = {
    "trial_id": "what was measured, on what, and what came out: 32 hex digits",
    "workload_id": "what the workload computes: 32 hex digits",
    "workload": "the workload's name, for people",
    "structural_hash": "of the module that was tuned, as TVM wrote it; empty when unknown",
    "tvm_version": "the release that wrote the module; empty when unknown",
    "target_id": "32 hex digits",
    "target": "canonical JSON",
    "target_kind": "llvm, cuda, ...",
    "target_arch": "mcpu, arch or model; empty when unknown",
    "hardware_id": "32 hex digits",
    "hardware": "the machine's name",
    "source": "file or run that the trial came from",
    "source_format": "metaschedule-json, autotvm, ansor, tune, ...",
    "position": "order within the source, from 0",
    "outcome": "ok, or how it failed",
    "error": "the cause of a failure, for people",
    "secs": "median of run_secs, in seconds; null for a failed trial",
    "run_secs": "every repeat, in seconds",
    "measured_at": "UTC; null when unknown",
    "conditions": "of the measurement, canonical JSON; {} for one like any other",
    "trace_id": "32 hex digits",
    "trace": "JSON: [instructions, decisions] as the tuner wrote them",
    "module_id": "of the module that was tuned; empty when unknown: 32 hex digits",
    "source_id": "32 hex digits",
    "args_info": "of the module's arguments, JSON as MetaSchedule writes it",
    "first_hardware_id": "the machine of which `trial_id` is made, where it was named afterwards; else empty",
}

RECORD_COLUMNS = {
    "workload_record": "of `workload_id`: JSON of a `tunedb.records.Workload`",
    "module_record": "of `module_id`: JSON of a `tunedb.records.Module`, bytes in base64; never there when unknown",
    "hardware_record": "of `hardware_id`: JSON of a `tunedb.records.Hardware`",
    "source_record": "of `source_id`: JSON of a `tunedb.records.Source`",
}
"""What a trial refers to, whole. It stands in the first row of a file that refers to it, and is null in the others."""

VERDICTS_COLUMN = "verdict_records"
"""The last of a file: of the schedule of the row, JSON of a list of `tunedb.records.Verdict`, an infinite deviation as
null. It stands in the first row of the schedule's, and is null in the others."""

FORMS = ("parquet", "arrow", "csv")


def record_batches(
    store: StoreReader, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> AbstractContextManager[pa.RecordBatchReader]:
    """The table as a stream, in no particular order; memory does not grow with it.

    Args:
        store: the store whose trials they are, as it is now or as of when it was opened.
        workload_id: only this workload; all but those of `tunedb.machine.kernels` by default.
        target_id: only this target.
        top_k: only so many of the fastest of each workload and target; all trials, failed ones too, by default.

    Raises:
        UsageError: `top_k` is not positive.
        StoreError: the store cannot be read.
    """
    return store.flat_trials(workload_id, target_id, top_k)


def to_arrow(
    store: StoreReader, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pa.Table:
    """The table that `record_batches` streams, in memory."""
    with record_batches(store, workload_id, target_id, top_k) as reader:
        return reader.read_all()


def to_pandas(
    store: StoreReader, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pd.DataFrame:
    """The table as a pandas data frame, of what `record_batches` gives.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError("pandas is not installed: pip install pandas") from error
    frame = to_arrow(store, workload_id, target_id, top_k).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    return frame


def to_polars(
    store: StoreReader, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pl.DataFrame:
    """The table as a Polars data frame, of what `record_batches` gives.

    Raises:
        UsageError: Polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise UsageError("Polars is not installed: pip install polars") from error
    frame = pl.from_arrow(to_arrow(store, workload_id, target_id, top_k))
    assert isinstance(frame, pl.DataFrame)
    return frame


def write_file(
    store: StoreReader,
    path: str | Path,
    form: str,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Writes the table to a file, `RECORD_COLUMNS` and `VERDICTS_COLUMN` behind it. A write that fails leaves none.

    Args:
        store: the store whose trials they are.
        path: the file; it must not be there.
        form: one of `FORMS`: "parquet", "arrow" (the IPC file format, which is Feather's too), or "csv" (with a header
            line; lists are JSON, null is an empty field and an empty text is "").
        workload_id: only this workload, as in `record_batches`.
        target_id: only this target.
        top_k: only so many of the fastest of each workload and target.
        on_progress: called with the number of rows that are written.

    Returns:
        How many rows were written.

    Raises:
        UsageError: the file is there already, or there is no such form.
        StoreError: the store cannot be read or the file not written.
    """
    if form not in FORMS:
        raise UsageError(f"no format {form!r}: there are {', '.join(FORMS)}")
    file = Path(path)
    rows = 0
    try:
        with (
            new_files(file) as new,
            whole_batches(store, workload_id, target_id, top_k) as (schema, batches),
            _writer(new.parts[0], form, schema) as out,
        ):
            for batch in batches:
                out.write_batch(_for_csv(batch) if form == "csv" else batch)
                rows += batch.num_rows
                if on_progress is not None:
                    on_progress(rows)
    except pa.ArrowException as error:
        raise StoreError(f"cannot write {file}: {first_line(error)}") from error
    return rows


@contextmanager
def whole_batches(
    store: StoreReader, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """What `record_batches` streams, with `RECORD_COLUMNS` and `VERDICTS_COLUMN`: all that an ingest elsewhere needs.

    Args:
        store: the store whose trials they are.
        workload_id: only this workload, as in `record_batches`.
        target_id: only this target.
        top_k: only so many of the fastest of each workload and target.

    Yields:
        The schema, and the rows.
    """
    with record_batches(store, workload_id, target_id, top_k) as reader:
        records = _Records(store)
        schema = records.schema(reader.schema)
        yield schema, (records.added(batch, schema) for batch in reader)


_SCHEDULE = ("workload_id", "target_id", "trace_id")


class _Records:
    """Adds to the rows of a table what they refer to, each thing once."""

    def __init__(self, store: StoreReader) -> None:
        hardware = {row.hardware_id: row for row in store.hardware()}
        sources = {row.source_id: row for row in store.sources()}
        self._find: dict[str, Callable[[str], object]] = {
            "workload_id": store.workload,
            "module_id": store.module,
            "hardware_id": hardware.__getitem__,
            "source_id": sources.__getitem__,
        }
        self._verdicts: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)  # by schedule; those not written yet
        for verdict in store.verdicts():
            self._verdicts[verdict.workload_id, verdict.target_id, verdict.trace_id].append(verdict)
        self._columns = dict(zip(self._find, RECORD_COLUMNS, strict=True))
        self._written: dict[str, set[str]] = {name: {""} for name in self._find}

    def schema(self, table: pa.Schema) -> pa.Schema:
        """The schema of the table with the further columns."""
        return pa.schema([*table, *((name, pa.string()) for name in (*RECORD_COLUMNS, VERDICTS_COLUMN))])

    def added(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        """The rows with the further columns."""
        columns = [self._column(name, batch.column(name)) for name in self._columns]
        return pa.RecordBatch.from_arrays([*batch.columns, *columns, self._judged(batch)], schema=schema)

    def _judged(self, batch: pa.RecordBatch) -> pa.Array:
        schedules = zip(*(batch.column(name).to_pylist() for name in _SCHEDULE), strict=True)
        found = [self._verdicts.pop(schedule, None) for schedule in schedules]
        return pa.array([verdicts and msgspec.json.encode(verdicts).decode() for verdicts in found], pa.string())

    def _column(self, name: str, ids: pa.Array) -> pa.Array:
        written = self._written[name]
        texts: list[str | None] = [None] * len(ids)
        for row, identity in enumerate(ids.to_pylist()):
            if identity not in written:
                written.add(identity)
                texts[row] = msgspec.json.encode(self._find[name](identity)).decode()
        return pa.array(texts, pa.string())


def _writer(path: Path, form: str, schema: pa.Schema) -> Any:
    if form == "arrow":
        return pa.ipc.new_file(str(path), schema)
    if form == "csv":
        from pyarrow import csv

        texts = pa.schema([(field.name, pa.string()) if field.name == "run_secs" else field for field in schema])
        return csv.CSVWriter(path, texts)
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def _for_csv(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with their lists as JSON: CSV has none."""
    place = batch.schema.get_field_index("run_secs")
    texts = [msgspec.json.encode(secs).decode() for secs in batch.column(place).to_pylist()]
    return batch.set_column(place, "run_secs", pa.array(texts, pa.string()))
