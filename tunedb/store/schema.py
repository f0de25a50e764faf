"""The tables of a store on disk, version 1. What their columns mean is in `tunedb.records`.

A row is never changed. A key may stand in more than one row (two processes that append the same thing at once; a
commit that landed although its process was killed before it knew): readers take one row a key.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 1

_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table: its columns, the column that identifies a row, and those that queries select by."""

    name: str
    key: str
    columns: pa.Schema
    statistics: tuple[str, ...]
    order: tuple[str, ...] = ()  # what the rows of a commit are sorted by
    clustered: tuple[str, ...] = ()  # what compacted files are clustered by


def _table(
    name: str,
    key: str,
    columns: dict[str, pa.DataType],
    statistics: tuple[str, ...] = (),
    order: tuple[str, ...] = (),
    clustered: tuple[str, ...] = (),
) -> TableSchema:
    return TableSchema(name, key, pa.schema(list(columns.items())), statistics or (key,), order, clustered)


HARDWARE = _table(
    "hardware",
    "hardware_id",
    {
        "hardware_id": pa.string(),
        "name": pa.string(),
        "kind": pa.string(),
        "num_cores": pa.int32(),
        "simd_bits": pa.int32(),
        "l1d_bytes": pa.int64(),
        "l2_bytes": pa.int64(),
        "l3_bytes": pa.int64(),
        "memory_bytes": pa.int64(),
    },
)
TARGETS = _table(
    "targets",
    "target_id",
    {
        "target_id": pa.string(),
        "text": pa.string(),
        "kind": pa.string(),
        "arch": pa.string(),
        "num_cores": pa.int32(),
    },
)
WORKLOADS = _table(
    "workloads",
    "row_id",  # a module's id; the workload's where its module is unknown
    {
        "row_id": pa.string(),
        "workload_id": pa.string(),
        "module_id": pa.string(),
        "structural_hash": pa.string(),
        "name": pa.string(),
        "signature": pa.string(),
        "tvm_version": pa.string(),
        "module_json": pa.binary(),
    },
    ("row_id", "workload_id", "module_id"),
)
INSTRUCTIONS = _table(
    "instructions",
    "instructions_id",
    {"instructions_id": pa.string(), "instructions": pa.binary()},
)
SOURCES = _table(
    "sources",
    "source_id",
    {
        "source_id": pa.string(),
        "uri": pa.string(),
        "format": pa.string(),
        "detail": pa.string(),
        "added_at": _TIME,
    },
)
QUARANTINE = _table(
    "quarantine",
    "rejected_id",
    {
        "rejected_id": pa.string(),
        "uri": pa.string(),
        "line": pa.int64(),
        "reason": pa.string(),
        "content": pa.binary(),
        "added_at": _TIME,
    },
    ("uri",),
)
TRIALS = _table(
    "trials",
    "trial_id",
    {
        "trial_id": pa.string(),
        "workload_id": pa.string(),
        "module_id": pa.string(),
        "target_id": pa.string(),
        "hardware_id": pa.string(),
        "source_id": pa.string(),
        "position": pa.int64(),
        "trace_id": pa.string(),
        "instructions_id": pa.string(),  # the part before the postprocessors: one row of `instructions`
        "postproc": pa.binary(),  # the instructions from EnterPostproc on, a JSON array
        "decisions": pa.binary(),
        "args_info": pa.binary(),
        "run_secs": pa.list_(pa.float64()),
        "secs_median": pa.float64(),  # NULL for a failed trial
        "outcome": pa.string(),
        "error": pa.string(),
        "measured_at": _TIME,
    },
    ("workload_id", "target_id", "secs_median"),
    order=("workload_id", "target_id", "secs_median"),
    clustered=("workload_id", "target_id"),
)

# In the order in which they are written: what a row refers to is there before it.
TABLES = (HARDWARE, TARGETS, WORKLOADS, INSTRUCTIONS, SOURCES, QUARANTINE, TRIALS)
