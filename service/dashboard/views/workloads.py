"""The list of workloads, those with the most trials first."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa

from service.dashboard.digest import digest
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views.selection import num_failed, num_trials, selected
from tunedb.records import DEFAULT_CONDITIONS, TrialGroup
from tunedb.store.contract import Store
from tunedb.units import count


def _build(store: Store, filters: Filters) -> list[Panel]:
    found = digest(store)
    by_workload: dict[str, list[TrialGroup]] = defaultdict(list)
    for row in selected(store, found, filters):
        by_workload[row.workload_id].append(row)
    names = {key: named.name for key, named in found.workloads.items()}
    ordered = sorted(by_workload.items(), key=lambda item: (-num_trials(item[1]), names.get(item[0], ""), item[0]))
    best = [
        min((row.best_secs for row in rows if row.best_secs and row.conditions == DEFAULT_CONDITIONS), default=None)
        for _, rows in ordered
    ]
    table = pa.table(
        {
            "workload_hash": pa.array([key for key, _ in ordered], pa.string()),
            "workload": pa.array([names.get(key, key) for key, _ in ordered], pa.string()),
            "trials": pa.array([num_trials(rows) for _, rows in ordered], pa.int64()),
            "failed": pa.array([num_failed(rows) for _, rows in ordered], pa.int64()),
            "targets": pa.array([len({row.target_id for row in rows}) for _, rows in ordered], pa.int64()),
            "least_median_secs": pa.array(best, pa.float64()),
            "last_measured": pa.array(
                [max((row.newest_at for row in rows if row.newest_at), default=None) for _, rows in ordered],
                pa.timestamp("us", "UTC"),
            ),
        }
    )
    summary = (
        f"{count(len(ordered), 'workload')}, those with the most trials first. The least median is of one trial, "
        "whatever the target and machine."
    )
    return [Panel("workloads", "Workloads", summary, table)]


VIEW = View("workloads", "Workloads", "Store", (), _build)
