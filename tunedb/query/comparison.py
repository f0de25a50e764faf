"""The same workload across targets and machines, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from tunedb.query.sql import run_sql
from tunedb.records import Hardware, Target
from tunedb.store.contract import Store

_GROUPS = """
SELECT workload_id, target_id, hardware_id, count(*), min(secs_median) FROM trials
GROUP BY workload_id, target_id, hardware_id
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of one workload on one target and machine."""

    workload_id: str
    name: str
    target: Target
    hardware: Hardware
    num_trials: int
    best_secs: float | None  # None when all trials failed
    ratio: float | None  # to the fastest of the workload's rows


def compare(store: Store, workload_ids: Collection[str] | None = None) -> list[Compared]:
    """Workloads by target and machine, by name and then the fastest first.

    Args:
        store: what is compared.
        workload_ids: which workloads; None takes those that have more than one target or machine.
    """
    groups: dict[str, list[tuple[str, str, int, float | None]]] = defaultdict(list)
    for workload_id, *rest in run_sql(store, _GROUPS).rows:
        groups[workload_id].append((rest[0], rest[1], rest[2], rest[3]))
    targets = {row.target_id: row for row in store.targets()}
    hardware = {row.hardware_id: row for row in store.hardware()}
    found = []
    for summary in store.workloads():
        rows = groups.get(summary.workload_id, [])
        if len(rows) < 2 if workload_ids is None else summary.workload_id not in workload_ids:
            continue
        fastest = min((secs for *_, secs in rows if secs is not None), default=None)
        for target_id, hardware_id, count, secs in sorted(rows, key=lambda row: (row[3] is None, row[3], row[:2])):
            ratio = secs / fastest if secs is not None and fastest else None
            found.append(
                Compared(
                    summary.workload_id, summary.name, targets[target_id], hardware[hardware_id], count, secs, ratio
                )
            )
    return found
