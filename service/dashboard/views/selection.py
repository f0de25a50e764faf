"""The trials' groups that filters leave, for views that count."""

from __future__ import annotations

from collections.abc import Iterable

from service.dashboard.digest import Digest
from service.dashboard.panel import Filters
from tunedb.program.targets import target_label
from tunedb.query.runs import resolve_run
from tunedb.records import Outcome, TrialGroup
from tunedb.store.contract import Store


def selected(store: Store, found: Digest, filters: Filters) -> list[TrialGroup]:
    """The groups that filters leave. A workload's name counts where it has what stands in the filter, too.

    Raises:
        NotFoundError: the target or run is not there.
        AmbiguousPrefixError: several are meant.
    """
    target = None if filters.target is None else store.resolve_target(filters.target).target_id
    run = None if filters.run is None else resolve_run(store, filters.run).source_id
    workloads = None if filters.workload is None else _meant(found, filters.workload)
    return [
        row
        for row in found.groups
        if target in (None, row.target_id)
        and run in (None, row.source_id)
        and (workloads is None or row.workload_id in workloads)
        and (filters.since is None or (row.newest_at is not None and row.newest_at >= filters.since))
    ]


def _meant(found: Digest, text: str) -> set[str]:
    lower = text.lower()
    return {
        workload_id
        for workload_id, named in found.workloads.items()
        if workload_id.startswith(lower) or lower in named.name.lower()
    }


def num_trials(groups: Iterable[TrialGroup]) -> int:
    """Trials of some groups."""
    return sum(row.num_trials for row in groups)


def num_failed(groups: Iterable[TrialGroup]) -> int:
    """Failed trials of some groups."""
    return sum(row.num_trials for row in groups if row.outcome is not Outcome.OK)


def place(found: Digest, row: TrialGroup) -> str:
    """Target and machine of a group, for people."""
    target, machine = found.targets.get(row.target_id), found.hardware.get(row.hardware_id)
    label = row.target_id[:12] if target is None else target_label(target)
    return f"{label}, {row.hardware_id[:12] if machine is None else machine.name}"
