"""What work on a store did (ingest, merge, compact, verify, repair, export, checks), as JSON documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tunedb.documents.answers import Document, rejections
from tunedb.ingest.pipeline import IngestReport
from tunedb.machine.installation import Check
from tunedb.maintenance.migrate import MigratedTable
from tunedb.maintenance.repair import Repaired
from tunedb.maintenance.revise import Revised
from tunedb.metaschedule.export import ExportReport
from tunedb.records import AppendReport, CompactedTable, Delivery, Source
from tunedb.store.schema import SCHEMA_VERSION
from tunedb.tuner_logs import LogReport


def ingested(report: IngestReport, store_url: str) -> Document:
    """What an ingest did, by format and by file."""
    return {
        "store": store_url,
        "added": report.added,
        "duplicates": report.duplicates,
        "failed": report.failed_trials,
        "rejected": report.num_rejected,
        "skipped_files": report.skipped_files,
        "unknown_machines": report.unknown_machines,
        "skipped": [{"uri": row.uri, "reason": row.reason} for row in report.skipped],
        "formats": [
            {
                "format": row.format,
                "files": row.files,
                "records": row.records,
                "added": row.added,
                "duplicates": row.duplicates,
                "failed": row.failed_trials,
                "rejected": row.rejected,
            }
            for row in report.formats()
        ],
        "files": [
            {
                "uri": file.uri,
                "format": file.format,
                "records": file.records,
                "added": file.added,
                "duplicates": file.duplicates,
                "failed": file.failed_trials,
                "rejected": file.rejected,
                "workloads": file.workloads,
            }
            for file in report.files
        ],
        "rejections": rejections(report.rejected),
    }


def merged(store_url: str, reports: Sequence[tuple[str, AppendReport]]) -> Document:
    """What a merge added.

    Args:
        store_url: the store that was added to.
        reports: the folder or URL of each other store, and what came of it.
    """
    return {
        "store": store_url,
        "added": sum(report.added for _, report in reports),
        "duplicates": sum(report.duplicates for _, report in reports),
        "merged": [{"store": url, "added": report.added, "duplicates": report.duplicates} for url, report in reports],
    }


def appended(report: AppendReport) -> Document:
    """What a push added."""
    return {
        "added": report.added,
        "duplicates": report.duplicates,
        "failed": report.failed_trials,
        "rejected": len(report.rejected),
    }


def deliveries(sources: Sequence[Source], delivered: Sequence[Delivery]) -> Document:
    """The sources of a store, each with those who sent it over a service; none where its keeper brought it."""
    return {
        "sources": [
            {
                "source_id": row.source_id,
                "source": row.uri,
                "format": row.format,
                "added_at": row.added_at.isoformat() if row.added_at else None,
                "senders": [
                    {"sender": one.sender, "delivered_at": one.delivered_at.isoformat()}
                    for one in delivered
                    if one.source_id == row.source_id
                ],
            }
            for row in sources
        ]
    }


def compacted(tables: Sequence[CompactedTable]) -> Document:
    """What compacting did, a row a table."""
    return {
        "tables": [
            {
                "table": row.table,
                "files_before": row.files_before,
                "files_after": row.files_after,
                "files_removed": row.files_removed,
            }
            for row in tables
        ]
    }


def migrated(tables: Sequence[MigratedTable]) -> Document:
    """What a migration rewrote, a row a table; none where the store had the present schema version already."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tables": [{"table": row.table, "rows": row.rows} for row in tables],
    }


def verified(store_url: str, problems: Sequence[str]) -> Document:
    """Whether a store is sound."""
    return {"store": store_url, "ok": not problems, "problems": list(problems)}


def repaired(store_url: str, done: Sequence[Repaired]) -> Document:
    """What was broken in a store."""
    return {"store": store_url, "repaired": [{"what": row.what, "moved_to": row.moved_to or None} for row in done]}


def revised(store_url: str, done: Revised, *, dry_run: bool) -> Document:
    """What `remove`, `relabel` or `restore` did to a store.

    Args:
        store_url: the store.
        done: what was done.
        dry_run: whether it was only looked at.
    """
    return {
        "store": store_url,
        "action": done.action,
        "dry_run": dry_run,
        "sources": [{"source_id": row.source_id, "uri": row.uri, "format": row.format} for row in done.sources],
        "removed": done.removed,
        "kept": done.kept,
        "relabelled": done.relabelled,
        "quarantined": done.quarantined,
        "version_before": done.version_before,
        "version": done.version,
    }


def exported(report: ExportReport) -> Document:
    """What an export as a MetaSchedule database wrote."""
    return {
        "directory": str(report.directory),
        "workloads": report.workloads,
        "trials": report.trials,
        "failed": report.failed_trials,
        "left_out": dict(report.left_out),
    }


def table_written(file: Path, form: str, num_trials: int) -> Document:
    """What an export as one table, or as T4 results, wrote.

    Args:
        file: the table's file.
        form: "parquet", "arrow", "csv" or "t4".
        num_trials: how many trials it has.
    """
    return {"file": str(file), "format": form, "trials": num_trials}


def log_written(report: LogReport) -> Document:
    """What an export as a log of AutoTVM's or Ansor's wrote."""
    return {
        "file": str(report.file),
        "format": report.form,
        "trials": report.trials,
        "failed": report.failed_trials,
        "left_out": dict(report.left_out),
    }


def checks(found: Sequence[Check], versions: Mapping[str, str | None]) -> Document:
    """Whether an installation can tune.

    Args:
        found: what was looked at.
        versions: of the packages that tunedb needs; None where one is missing.
    """
    return {
        "ok": all(check.ok for check in found),
        "versions": dict(versions),
        "checks": [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "advice": check.advice} for check in found
        ],
    }
