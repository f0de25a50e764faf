"""From records to columns that Arrow takes, and from DuckDB's rows back to records."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tunedb.identity import content_hash
from tunedb.records import Outcome, Rejected, Source, Trace, Trial, Workload
from tunedb.store.columns import TrialColumns
from tunedb.traces import join_instructions

_EPOCH = datetime.fromtimestamp(0, UTC)
_TRIAL_FIELDS = (
    "trial_id",
    "workload_id",
    "module_id",
    "target_id",
    "hardware_id",
    "source_id",
    "position",
    "trace_id",
    "instructions_id",
    "postproc",
    "decisions",
    "args_info",
    "run_secs",
    "outcome",
    "error",
    "measured_at",
)


def columns_of(records: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of records whose fields are named like the table's columns."""
    return {name: [getattr(record, name) for record in records] for name in names}


def workload_columns(workloads: Sequence[Workload]) -> dict[str, list[Any]]:
    """Columns of the table `workloads`."""
    names = [field.name for field in dataclasses.fields(Workload)]
    return {"row_id": [row_key(workload) for workload in workloads], **columns_of(workloads, names)}


def row_key(workload: Workload) -> str:
    """What identifies a row of `workloads`: its module, or the workload itself where the module is unknown."""
    return workload.module_id or workload.workload_id


def source_columns(sources: Sequence[Source]) -> dict[str, list[Any]]:
    """Columns of the table `sources`."""
    columns = columns_of(sources, [field.name for field in dataclasses.fields(Source)])
    now = datetime.now(UTC)
    columns["added_at"] = [moment or now for moment in columns["added_at"]]
    return columns


def rejected_id(rejected: Rejected) -> str:
    """What identifies a row of `quarantine`: the same bad line, read twice, is quarantined once."""
    return content_hash(rejected.uri, str(rejected.line), rejected.reason, rejected.content)


def rejected_columns(rejected: Mapping[str, Rejected]) -> dict[str, list[Any]]:
    """Columns of the table `quarantine`, from what is rejected by its id."""
    now = datetime.now(UTC)
    columns = columns_of(list(rejected.values()), [field.name for field in dataclasses.fields(Rejected)])
    return {"rejected_id": list(rejected), **columns, "added_at": [now] * len(rejected)}


def trial_columns(trials: TrialColumns, rows: Sequence[int]) -> dict[str, list[Any]]:
    """Columns of the table `trials`, of some rows only."""
    columns: dict[str, list[Any]] = {}
    everything = len(rows) == len(trials)
    for name in _TRIAL_FIELDS:
        column = getattr(trials, name)
        columns[name] = column if everything else [column[row] for row in rows]
    columns["secs_median"] = [_median(run_secs) for run_secs in columns["run_secs"]]
    return columns


def _median(run_secs: Sequence[float]) -> float | None:
    if len(run_secs) == 1:  # nearly all of a stock log
        return run_secs[0]
    return statistics.median(run_secs) if run_secs else None


def moment(microseconds: int | None) -> datetime | None:
    """A time from DuckDB's `epoch_us`, without a float's rounding."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def trial_of_row(row: Sequence[Any], instructions: Mapping[str, bytes]) -> Trial:
    """A trial from a row of `queries.TRIALS`, with the shared instructions by their ids."""
    shared = instructions.get(row[8], b"[]")
    return Trial(
        trial_id=row[0],
        workload_id=row[1],
        module_id=row[2],
        target_id=row[3],
        hardware_id=row[4],
        source_id=row[5],
        position=row[6],
        trace=Trace(join_instructions(shared, row[9]), row[10]),
        args_info=row[11],
        run_secs=tuple(row[12]),
        outcome=Outcome(row[13]),
        error=row[14],
        measured_at=moment(row[15]),
    )
