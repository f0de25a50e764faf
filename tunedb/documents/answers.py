"""Records, and answers to questions of a store, as JSON documents."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tunedb.query.best import Best
from tunedb.query.comparison import Compared
from tunedb.query.convergence import Convergence
from tunedb.query.description import RecordDescription, WorkloadDescription
from tunedb.query.nearest import Near
from tunedb.query.target_groups import MeasuredTarget
from tunedb.records import Rejected, SqlResult, StoreStats, Target, Trial, Verdict, WorkloadSummary

Document = dict[str, Any]


def record(trial: Trial, target: Target) -> Document:
    """The keys that stand wherever a record is given."""
    return {
        "workload_hash": trial.workload_id,
        "target": target.text,
        "target_id": target.target_id,
        "run_secs_median": trial.run_secs_median,
        "run_secs_min": min(trial.run_secs),
        "run_secs_max": max(trial.run_secs),
        "run_secs": list(trial.run_secs),
        "conditions": json.loads(trial.conditions),
        "record_id": trial.trial_id,
        "trace": json.loads(trial.trace.to_json()),
    }


def best(found: Sequence[Best]) -> Document:
    """The best records of a workload; the first one's keys stand at the top as well."""
    documents = [_best(row) for row in found]
    return {**documents[0], "results": documents}


def _best(row: Best) -> Document:
    document = {
        **record(row.trial, row.target),
        "name": row.workload.name,
        "structural_hashes": list(row.workload.structural_hashes),
        "hardware": row.hardware.name if row.hardware else None,
        "hardware_id": row.trial.hardware_id,
        "source": row.source.uri if row.source else None,
        "measured_at": _measured_at(row.trial),
        "estimate_secs": row.ranked.estimate.secs,
        "low_secs": row.ranked.estimate.low_secs,
        "high_secs": row.ranked.estimate.high_secs,
        "passes": row.ranked.estimate.num_rounds,
        "tied": row.ranked.tied,
        "verified": verified(row.verdict),
        "senders": list(row.senders),
        "foreign": row.is_foreign,
        "stands_in_for": row.stands_in_for.text if row.stands_in_for else None,
    }
    return document if row.script is None else {**document, "script": row.script}


def nearest(found: Sequence[Near]) -> Document:
    """The best evidence for what was never measured."""
    return {
        "results": [
            {
                **(record(row.trial, row.target) if row.trial else {}),
                "name": row.workload.name,
                "workload_hash": row.workload.workload_id,
                "target": row.target.text,
                "target_id": row.target.target_id,
                "best_secs": row.best_secs,
                "distance": row.distance,
                "expected_secs": row.expected_secs,
                "expected_loss": row.expected_loss,
                "compared": row.num_compared,
            }
            for row in found
        ]
    }


def workload_description(found: WorkloadDescription) -> Document:
    """All of a workload."""
    return {
        "kind": "workload",
        "workload_hash": found.summary.workload_id,
        "name": found.summary.name,
        "signature": json.loads(found.signature) if found.signature else None,
        "trials": found.summary.num_trials,
        "failed": found.summary.num_failed,
        "modules": [
            {
                "module_id": row.module_id,
                "structural_hash": row.structural_hash or None,
                "tvm_version": row.tvm_version or None,
                "bytes": len(row.module_json),
            }
            for row in found.modules
        ],
        "results": [
            {**row, "verified": verified(found.verdicts.get(row["record_id"]))}
            for row in comparison(found.compared)["results"]
        ],
    }


def record_description(found: RecordDescription, hindrance: str | None) -> Document:
    """All of a record.

    Args:
        found: the record, and what it refers to.
        hindrance: why the installed TVM cannot replay it (`tunedb.metaschedule.upgrade.hindrance`); None if it can.
    """
    trial = found.trial
    return {
        "kind": "record",
        "record_id": trial.trial_id,
        "workload_hash": trial.workload_id,
        "name": found.workload.name,
        "module_id": trial.module_id or None,
        "target": found.target.text,
        "target_id": found.target.target_id,
        "hardware": found.hardware.name,
        "hardware_id": found.hardware.hardware_id,
        "outcome": trial.outcome.value,
        "error": trial.error or None,
        "run_secs_median": trial.run_secs_median if trial.run_secs else None,
        "run_secs": list(trial.run_secs),
        "source": found.source.uri,
        "format": found.source.format,
        "source_detail": json.loads(found.source.detail),
        "position": trial.position,
        "measured_at": _measured_at(trial),
        "conditions": json.loads(trial.conditions),
        "replays": hindrance is None,
        "hindrance": hindrance,
        "verified": verified(found.verdict),
        "verdict": None if found.verdict is None else _verdict(found.verdict),
        "args_info": json.loads(trial.args_info),
        "trace": json.loads(trial.trace.to_json()),
    }


def verified(verdict: Verdict | None) -> bool | None:
    """Whether a schedule computes what the untuned program does; None where that is unknown."""
    return None if verdict is None else verdict.agrees


def _verdict(verdict: Verdict) -> Document:
    return {
        "agrees": verdict.agrees,
        "deviation": plain(verdict.deviation),
        "allowed_deviation": verdict.allowed_deviation,
        "arguments": verdict.arguments,
        "hardware_id": verdict.hardware_id,
        "tvm_version": verdict.tvm_version,
        "found_at": verdict.found_at.isoformat(),
        "source": verdict.source,
    }


def workloads(summaries: Sequence[WorkloadSummary]) -> Document:
    """What has been tuned."""
    return {
        "workloads": [
            {
                "workload_hash": row.workload_id,
                "name": row.name,
                "structural_hashes": list(row.structural_hashes),
                "tvm_versions": list(row.tvm_versions),
                "trials": row.num_trials,
                "failed": row.num_failed,
                "targets": row.num_targets,
            }
            for row in summaries
        ]
    }


def targets(found: Sequence[MeasuredTarget]) -> Document:
    """What was tuned for, a row for each target on each machine."""
    return {
        "targets": [
            {
                "target_id": row.summary.target.target_id,
                "target": row.summary.target.text,
                "kind": row.summary.target.kind,
                "arch": row.summary.target.arch,
                "num_cores": row.summary.target.num_cores,
                "near_equal": [other.target_id for other in row.near_equal],
                "hardware": dataclasses.asdict(row.summary.hardware),
                "flop_per_sec": row.calibration.flop_per_sec,
                "bytes_per_sec": row.calibration.bytes_per_sec,
                "workloads": row.summary.num_workloads,
                "trials": row.summary.num_trials,
                "failed": row.summary.num_failed,
            }
            for row in found
        ]
    }


def convergence(found: Convergence) -> Document:
    """How a workload's best fell, source by source, with every improvement."""
    return {
        "workload_hash": found.workload.workload_id,
        "name": found.workload.name,
        "sources": [
            {
                "source": row.source.uri,
                "format": row.source.format,
                "target": row.target.text,
                "target_id": row.target.target_id,
                "hardware": row.hardware.name,
                "hardware_id": row.hardware.hardware_id,
                "conditions": json.loads(row.conditions),
                "trials": row.num_trials,
                "failed": row.num_failed,
                "improvements": [
                    {
                        "trial": step.number,
                        "estimate_secs": step.secs,
                        "run_secs_median": step.median_secs,
                        "record_id": step.trial_id,
                    }
                    for step in row.improvements
                ],
            }
            for row in found.histories
        ],
    }


def comparison(found: Sequence[Compared]) -> Document:
    """Workloads on several targets and machines; `ratio` is to the workload's fastest under the same conditions."""
    return {
        "results": [
            {
                "workload_hash": row.workload_id,
                "name": row.name,
                "target": row.target.text,
                "target_id": row.target.target_id,
                "hardware": row.hardware.name,
                "hardware_id": row.hardware.hardware_id,
                "conditions": json.loads(row.conditions),
                "trials": row.num_trials,
                "estimate_secs": row.estimate_secs,
                "run_secs_median": row.best_median_secs,
                "record_id": row.record_id,
                "ratio": row.ratio,
            }
            for row in found
        ]
    }


def sql_result(result: SqlResult) -> Document:
    """The rows of a query, as they came."""
    return {
        "columns": list(result.columns),
        "rows": [[plain(value) for value in row] for row in result.rows],
    }


def stats(found: StoreStats, listed: Sequence[Rejected]) -> Document:
    """How much a store holds.

    Args:
        found: the store's counts.
        listed: pieces of rejected input that are to be named.
    """
    return {
        "store": found.url,
        "version": found.version,
        "schema_version": found.schema_version,
        "workloads": found.num_workloads,
        "modules": found.num_modules,
        "targets": found.num_targets,
        "hardware": found.num_hardware,
        "sources": found.num_sources,
        "trials": found.num_trials,
        "verdicts": found.num_verdicts,
        "failed": found.num_failed,
        "outcomes": {str(outcome): number for outcome, number in found.outcomes.items()},
        "rejected": found.num_rejected,
        "bytes_stored": found.bytes_stored,
        "rejections": rejections(listed),
    }


def rejections(pieces: Sequence[Rejected]) -> list[Document]:
    """Pieces of input that could not be read."""
    return [{"uri": piece.uri, "line": piece.line, "reason": piece.reason} for piece in pieces]


def plain(value: Any) -> Any:
    """A value of SQL as JSON has it: bytes as text, times as ISO 8601, what is not finite as None."""
    if isinstance(value, Decimal):  # sums of integers come as such
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


def _measured_at(trial: Trial) -> str | None:
    return trial.measured_at.isoformat() if trial.measured_at else None
