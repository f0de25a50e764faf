"""Trials as one flat table, for notebooks and other tools: pyarrow, pandas, Polars, Parquet and Arrow files.

A row is a trial with what it refers to, joined in. `COLUMNS` says what is in it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tunedb.errors import StoreError, UsageError
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
}


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
) -> int:
    """Writes the table to a file. A write that fails leaves no file.

    Args:
        store: the store whose trials they are.
        path: the file; it must not be there.
        form: "parquet" or "arrow" (the IPC file format, which is Feather's too).
        workload_id: only this workload, as in `record_batches`.
        target_id: only this target.
        top_k: only so many of the fastest of each workload and target.

    Returns:
        How many rows were written.

    Raises:
        UsageError: the file is there already, or `form` is neither.
        StoreError: the store cannot be read or the file not written.
    """
    file = Path(path)
    if file.exists():
        raise UsageError(f"{file} is there already")
    if form not in ("parquet", "arrow"):
        raise UsageError(f"no format {form!r}: there are parquet and arrow")
    part = file.with_name(f".{file.name}.part")
    rows = 0
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with record_batches(store, workload_id, target_id, top_k) as reader, _writer(part, form, reader.schema) as out:
            for batch in reader:
                out.write_batch(batch)
                rows += batch.num_rows
        part.replace(file)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot write {file}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return rows


def _writer(path: Path, form: str, schema: pa.Schema) -> Any:
    if form == "arrow":
        return pa.ipc.new_file(str(path), schema)
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, schema, compression="zstd")
