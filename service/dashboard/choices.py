"""What may be chosen in a page's filters: targets, and what a view that lacks a filter could be of."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlencode

from service.dashboard.digest import digest
from service.dashboard.panel import Filters, View
from tunedb.program.targets import target_label
from tunedb.query.runs import tuning_runs
from tunedb.store.contract import Store

_OFFERED = 20


def targets(store: Store, filters: Filters) -> list[tuple[str, str]]:
    """Ids and labels of the targets; the one that is set is among them as it was written."""
    found = [(row.target_id[:12], target_label(row)) for row in store.targets()]
    if filters.target is not None and all(value != filters.target for value, _ in found):
        found.append((filters.target, filters.target))
    return found


def suggested(store: Store, view: View, filters: Filters, lacking: list[str]) -> list[tuple[str, str, str]]:
    """Addresses, texts and details of what the first filter that is lacking could be.

    Raises:
        StoreError: the store cannot be read.
    """
    name = lacking[0]
    kind = "run" if name == "other" and filters.run is not None and filters.workload is None else name
    offered: list[tuple[str, str, str]] = []
    if kind == "run":
        for source in reversed(tuning_runs(store)[-_OFFERED - 1 :]):
            began = "" if source.added_at is None else f"{source.added_at:%Y-%m-%d %H:%M}"
            offered.append((source.source_id[:12], source.uri.removeprefix("tune:")[:8], began))
    elif kind == "workload":
        found = digest(store)
        counted: Counter[str] = Counter()
        for group in found.groups:
            counted[group.workload_id] += group.num_trials
        for workload_id, number in counted.most_common(_OFFERED):
            named = found.workloads.get(workload_id)
            offered.append((workload_id[:12], named.name if named else workload_id, f"{number:,} trials"))
    elif kind == "target" or (kind == "other" and filters.target is not None):
        offered = [(value, text, "") for value, text in targets(store, Filters())]
    elif kind == "since":
        offered = [(datetime.now(UTC).date().isoformat(), "today", "")]
    taken = set(dict(filters.items()).values())
    return [
        (f"/dashboard/{view.name}?{urlencode([*filters.items(), (name, value)])}", text, detail)
        for value, text, detail in offered
        if value not in taken
    ]
