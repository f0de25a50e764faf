"""Trials as one flat table, for notebooks and other tools: pyarrow, pandas, Polars, Parquet and Arrow files.

A row is a trial with what it refers to, joined in. `COLUMNS` says what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tunedb.errors import StoreError, UsageError
from tunedb.store.contract import Store
from tunedb.store.delta.queries import OWN

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_BATCH_ROWS = 16_384

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
    "trace_id": "32 hex digits",
    "trace": "JSON: [instructions, decisions] as the tuner wrote them",
}

# A trial may stand twice (see `tunedb.store.schema`); only those that do are sorted out, so that memory stays small.
_QUESTION = """
WITH twice AS (SELECT trial_id FROM trials GROUP BY trial_id HAVING count(*) > 1),
once AS (
    SELECT * FROM trials ANTI JOIN twice USING (trial_id)
    UNION ALL
    SELECT DISTINCT ON (trial_id) * FROM trials SEMI JOIN twice USING (trial_id)
),
modules AS (SELECT DISTINCT ON (row_id) * FROM workloads)
SELECT t.trial_id, t.workload_id, w.name AS workload, w.structural_hash, w.tvm_version,
    t.target_id, g.text AS target, g.kind AS target_kind, g.arch AS target_arch,
    t.hardware_id, h.name AS hardware, s.uri AS source, s.format AS source_format, t.position,
    t.outcome, t.error, t.secs_median AS secs, t.run_secs, t.measured_at, t.trace_id,
    '[' || CASE
        WHEN decode(t.postproc) = '[]' THEN i.shared
        WHEN length(i.shared) > 2 THEN left(i.shared, -1) || ',' || substr(decode(t.postproc), 2)
        ELSE decode(t.postproc)
    END || ',' || decode(t.decisions) || ']' AS trace
FROM once AS t
JOIN modules AS w ON w.row_id = CASE WHEN t.module_id = '' THEN t.workload_id ELSE t.module_id END
JOIN (SELECT DISTINCT ON (target_id) * FROM targets) AS g ON g.target_id = t.target_id
JOIN (SELECT DISTINCT ON (hardware_id) * FROM hardware) AS h ON h.hardware_id = t.hardware_id
JOIN (SELECT DISTINCT ON (source_id) * FROM sources) AS s ON s.source_id = t.source_id
JOIN (
    SELECT DISTINCT ON (instructions_id) instructions_id, decode(instructions) AS shared FROM instructions
) AS i ON i.instructions_id = t.instructions_id
WHERE {selected}
"""

# The fastest K of each workload and target, one trial a trace: what `Store.best` gives.
_TOP = """t.trial_id IN (
    SELECT trial_id FROM (
        SELECT trial_id, workload_id, target_id, secs_median, position FROM trials WHERE outcome = 'ok'
        QUALIFY row_number() OVER (
            PARTITION BY workload_id, target_id, module_id, trace_id ORDER BY secs_median, position, trial_id
        ) = 1
    )
    QUALIFY row_number() OVER (
        PARTITION BY workload_id, target_id ORDER BY secs_median, position, trial_id
    ) <= ?
)"""


@contextmanager
def record_batches(
    store: Store, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> Iterator[pa.RecordBatchReader]:
    """The table as a stream, in no particular order; memory does not grow with it.

    Args:
        store: what from, as it is now or as of when it was opened.
        workload_id: only this workload; all but those of `tunedb.machine.kernels` by default.
        target_id: only this target.
        top_k: only so many of the fastest of each workload and target; all trials, failed ones too, by default.

    Raises:
        UsageError: `top_k` is not positive.
        StoreError: the store cannot be read.
    """
    import duckdb

    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k is {top_k}; it must be at least 1")
    given: dict[str, Any] = {"t.workload_id = ?": workload_id, "t.target_id = ?": target_id, _TOP: top_k}
    wanted = {condition: value for condition, value in given.items() if value is not None}
    database = duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"})
    try:
        for name in ("trials", "workloads", "targets", "hardware", "sources", "instructions"):
            database.register(name, store.arrow(name))
        selected = " AND ".join([*wanted, *([f"t.{OWN}"] if workload_id is None else [])])
        question = _QUESTION.format(selected=selected)
        yield database.sql(question, params=list(wanted.values())).to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as error:
        raise StoreError(f"cannot read the store {store.url}: {str(error).splitlines()[0]}") from error
    finally:
        database.close()


def to_arrow(
    store: Store, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pa.Table:
    """The table in memory; see `record_batches`."""
    with record_batches(store, workload_id, target_id, top_k) as reader:
        return reader.read_all()


def to_pandas(
    store: Store, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pd.DataFrame:
    """The table as a pandas data frame; see `record_batches`. Raises: UsageError: pandas is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError("pandas is not installed: pip install pandas") from error
    frame = to_arrow(store, workload_id, target_id, top_k).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    return frame


def to_polars(
    store: Store, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
) -> pl.DataFrame:
    """The table as a Polars data frame; see `record_batches`. Raises: UsageError: Polars is not installed."""
    try:
        import polars as pl
    except ImportError as error:
        raise UsageError("Polars is not installed: pip install polars") from error
    frame = pl.from_arrow(to_arrow(store, workload_id, target_id, top_k))
    assert isinstance(frame, pl.DataFrame)
    return frame


def write_file(
    store: Store,
    path: str | Path,
    form: str,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
) -> int:
    """Writes the table to a file, and returns its rows. A write that fails leaves no file.

    Args:
        store: see `record_batches`.
        path: the file; it must not be there.
        form: "parquet" or "arrow" (the IPC file format, which is Feather's too).
        workload_id: see `record_batches`.
        target_id: see there.
        top_k: see there.

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
