"""The same workload across targets and machines, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from tunedb.records import DEFAULT_CONDITIONS, Hardware, PoolSummary, Target
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of one workload on one target and machine."""

    workload_id: str
    name: str
    target: Target
    hardware: Hardware
    num_trials: int
    estimate_secs: float | None  # the latency of its best schedule, as `tunedb best` has it; None when all failed
    ratio: float | None  # to the fastest of the workload's rows under these conditions
    best_median_secs: float | None  # of the fastest trial of that schedule
    record_id: str | None  # of that trial
    conditions: str = DEFAULT_CONDITIONS


def compare(store: StoreReader, workload_ids: Collection[str] | None = None) -> list[Compared]:
    """Workloads by target, machine and conditions, by name and then the fastest first.

    Args:
        store: the store whose trials are compared.
        workload_ids: the workloads; None takes those that have more than one target, machine or kind of conditions.
    """
    groups: dict[str, list[PoolSummary]] = defaultdict(list)
    for pool in store.pool_summaries(workload_ids):
        groups[pool.workload_id].append(pool)
    targets = {row.target_id: row for row in store.targets()}
    hardware = {row.hardware_id: row for row in store.hardware()}
    found = []
    for summary in store.workloads():
        pools = groups.get(summary.workload_id, [])
        if len(pools) < 2 if workload_ids is None else summary.workload_id not in workload_ids:
            continue
        fastest: dict[str, float] = {}
        for pool in pools:
            if pool.best_secs is not None:
                fastest[pool.conditions] = min(pool.best_secs, fastest.get(pool.conditions, pool.best_secs))
        for pool in sorted(pools, key=_order):
            secs = pool.best_secs
            found.append(
                Compared(
                    summary.workload_id,
                    summary.name,
                    targets[pool.target_id],
                    hardware[pool.hardware_id],
                    pool.num_trials,
                    secs,
                    None if secs is None else secs / fastest[pool.conditions],
                    pool.best_median_secs,
                    pool.best_trial_id,
                    pool.conditions,
                )
            )
    return found


def _order(pool: PoolSummary) -> tuple[bool, bool, float, str, str]:
    is_special = pool.conditions != DEFAULT_CONDITIONS
    return is_special, pool.best_secs is None, pool.best_secs or 0.0, pool.target_id, pool.hardware_id
