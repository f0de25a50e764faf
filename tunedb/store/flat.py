"""Trials joined with what they refer to, as one flat table: the SQL and the stream that comes of it.

`tunedb.query.tabular` says what its columns are, and brings it into other forms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunedb.errors import StoreError, UsageError, first_line
from tunedb.machine.kernels import WORKLOAD_IDS

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 4096
_MEMORY = "200MB"  # what DuckDB may use; the process has as much again for what it makes of the rows
_THREADS = "2"  # each has rows of its own in memory

# What users ask for is their own workloads, not the kernels that tuning calibrates a machine with.
USER_WORKLOADS = "workload_id NOT IN ({})".format(", ".join(f"'{identity}'" for identity in sorted(WORKLOAD_IDS)))

# A trial may stand twice (see `tunedb.store.schema`); only those that do are sorted out, so that memory stays small.
_QUESTION = """
WITH twice AS (SELECT trial_id FROM trials GROUP BY trial_id HAVING count(*) > 1),
once AS (
    SELECT * FROM trials ANTI JOIN twice USING (trial_id)
    UNION ALL
    SELECT DISTINCT ON (trial_id) * FROM trials SEMI JOIN twice USING (trial_id)
),
programs AS (SELECT DISTINCT ON (module_id) module_id, structural_hash, tvm_version FROM modules)
SELECT t.trial_id, t.workload_id, w.name AS workload,
    coalesce(m.structural_hash, '') AS structural_hash, coalesce(m.tvm_version, '') AS tvm_version,
    t.target_id, g.text AS target, g.kind AS target_kind, g.arch AS target_arch,
    t.hardware_id, h.name AS hardware, s.uri AS source, s.format AS source_format, t.position,
    t.outcome, t.error, t.secs_median AS secs, t.run_secs, t.measured_at, t.conditions, t.trace_id,
    '[' || CASE
        WHEN decode(t.postproc) = '[]' THEN i.shared
        WHEN length(i.shared) > 2 THEN left(i.shared, -1) || ',' || substr(decode(t.postproc), 2)
        ELSE decode(t.postproc)
    END || ',' || decode(t.decisions) || ']' AS trace,
    t.module_id, t.source_id, decode(t.args_info) AS args_info, t.first_hardware_id
FROM once AS t
JOIN (SELECT DISTINCT ON (workload_id) workload_id, name FROM workloads) AS w ON w.workload_id = t.workload_id
LEFT JOIN programs AS m ON m.module_id = t.module_id
JOIN (SELECT DISTINCT ON (target_id) * FROM targets) AS g ON g.target_id = t.target_id
JOIN (SELECT DISTINCT ON (hardware_id) * FROM hardware) AS h ON h.hardware_id = t.hardware_id
JOIN (SELECT DISTINCT ON (source_id) * FROM sources) AS s ON s.source_id = t.source_id
JOIN (
    SELECT DISTINCT ON (instructions_id) instructions_id, decode(instructions) AS shared FROM instructions
) AS i ON i.instructions_id = t.instructions_id
WHERE {selected}
"""

# The fastest K of each workload, target and kind of conditions, one trial a trace: what `Store.best` gives.
_TOP = """t.trial_id IN (
    SELECT trial_id FROM (
        SELECT trial_id, workload_id, target_id, conditions, secs_median, position FROM trials WHERE outcome = 'ok'
        QUALIFY row_number() OVER (
            PARTITION BY workload_id, target_id, conditions, module_id, trace_id
            ORDER BY secs_median, position, trial_id
        ) = 1
    )
    QUALIFY row_number() OVER (
        PARTITION BY workload_id, target_id, conditions ORDER BY secs_median, position, trial_id
    ) <= ?
)"""

_TABLES = ("trials", "workloads", "modules", "targets", "hardware", "sources", "instructions")


@contextmanager
def flat_trials(
    read: Callable[[str], object], url: str, workload_id: str | None, target_id: str | None, top_k: int | None
) -> Iterator[pa.RecordBatchReader]:
    """The table as a stream; see `tunedb.store.contract.StoreReader.flat_trials`.

    Args:
        read: gives a table by name, as SQL to read it with or as something that DuckDB can read more than once.
        url: of the store, for errors.
        workload_id: only this workload; all but the reference kernels by default.
        target_id: only this target.
        top_k: only so many of the fastest.

    Raises:
        UsageError: `top_k` is not positive.
        StoreError: the store cannot be read.
    """
    import duckdb

    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k is {top_k}; it must be at least 1")
    given: dict[str, Any] = {"t.workload_id = ?": workload_id, "t.target_id = ?": target_id, _TOP: top_k}
    wanted = {condition: value for condition, value in given.items() if value is not None}
    spill = tempfile.TemporaryDirectory(prefix="tunedb-", ignore_cleanup_errors=True)  # what does not fit into memory
    limits = {
        "memory_limit": _MEMORY,
        "temp_directory": spill.name,
        "preserve_insertion_order": "false",
        "threads": _THREADS,
    }
    database = duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC", **limits})
    try:
        database.execute("SET enable_progress_bar = false")
        for name in _TABLES:
            table = read(name)
            if isinstance(table, str):
                database.execute(f"CREATE VIEW {name} AS SELECT * FROM {table}")
            else:
                database.register(name, table)
        selected = " AND ".join([*wanted, *([f"t.{USER_WORKLOADS}"] if workload_id is None else [])])
        question = _QUESTION.format(selected=selected)
        yield database.sql(question, params=list(wanted.values())).to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as error:
        raise StoreError(f"cannot read the store {url}: {first_line(error)}") from error
    finally:
        database.close()
        spill.cleanup()
