"""The list of tuning runs, the newest first."""

from __future__ import annotations

import json
from collections import defaultdict

import pyarrow as pa

from service.dashboard.digest import digest
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views.selection import num_failed, num_trials, place, selected
from tunedb.records import Source, TrialGroup
from tunedb.store.contract import Store
from tunedb.units import count


def run_rows(store: Store, filters: Filters) -> pa.Table:
    """A row for each run that measured what filters leave, the newest first.

    Raises:
        NotFoundError: the target or run is not there.
        AmbiguousPrefixError: several are meant.
    """
    found = digest(store)
    by_source: dict[str, list[TrialGroup]] = defaultdict(list)
    for row in selected(store, found, filters):
        by_source[row.source_id].append(row)
    runs = [
        (source, by_source[source.source_id])
        for source in reversed(list(found.sources.values()))
        if source.format == "tune" and source.source_id in by_source
    ]
    return pa.table(
        {
            "run_id": pa.array([source.source_id for source, _ in runs], pa.string()),
            "run": pa.array([source.uri.removeprefix("tune:")[:8] for source, _ in runs], pa.string()),
            "strategy": pa.array([_strategy(source) for source, _ in runs], pa.string()),
            "target_and_machine": pa.array([place(found, rows[0]) for _, rows in runs], pa.string()),
            "workloads": pa.array([len({row.workload_id for row in rows}) for _, rows in runs], pa.int64()),
            "trials": pa.array([num_trials(rows) for _, rows in runs], pa.int64()),
            "most_trials": pa.array([_most_trials(source) for source, _ in runs], pa.int64()),
            "failed": pa.array([num_failed(rows) for _, rows in runs], pa.int64()),
            "began": pa.array([source.added_at for source, _ in runs], pa.timestamp("us", "UTC")),
            "last_measured": pa.array(
                [max((row.newest_at for row in rows if row.newest_at), default=None) for _, rows in runs],
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def _strategy(source: Source) -> str | None:
    """What a run says that it searched with."""
    told = _told(source, "strategy")
    return str(told) if told else None


def _most_trials(source: Source) -> int | None:
    """How many trials a run says that it may make."""
    told = _told(source, "trials")
    return told if isinstance(told, int) else None


def _told(source: Source, key: str) -> object:
    try:
        detail = json.loads(source.detail)
    except ValueError:
        return None
    return detail.get(key) if isinstance(detail, dict) else None


def _build(store: Store, filters: Filters) -> list[Panel]:
    table = run_rows(store, filters)
    failed, trials = sum(table["failed"].to_pylist()), sum(table["trials"].to_pylist())
    summary = (
        f"{count(table.num_rows, 'tuning run')} with {count(trials, 'trial')}, {failed:,} of them failed. Further "
        "measurements of a run's fastest schedules count as trials here."
    )
    return [Panel("runs", "Tuning runs", summary, table)]


VIEW = View("runs", "Runs", "Store", (), _build)
