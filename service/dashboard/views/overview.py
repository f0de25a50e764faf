"""The first page: how much there is, of what, on which machines, and what came last."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from service.dashboard.digest import Digest, digest
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views.runs import run_rows
from service.dashboard.views.selection import num_failed, num_trials, place, selected
from tunedb.records import TrialGroup
from tunedb.store.contract import Store
from tunedb.units import count

if TYPE_CHECKING:
    import altair as alt

_NEWEST = 10
_DAYS = 60
_FEW_DAYS = 14  # up to so many, each has a bar of one width
_MOST_PLACES = 6  # that have a colour of their own


def _build(store: Store, filters: Filters) -> list[Panel]:
    found = digest(store)
    groups = selected(store, found, filters)
    if not groups:
        empty = "The store has no trials yet." if not found.groups else "The filters leave no trials."
        return [Panel("counts", "What the store holds", empty, pa.table({"trials": [0]}))]
    return [_counts(groups), _days(found, groups), _places(found, groups), _newest(store, filters)]


def _counts(groups: list[TrialGroup]) -> Panel:
    total, failed = num_trials(groups), num_failed(groups)
    workloads = {row.workload_id for row in groups}
    targets, machines = {row.target_id for row in groups}, {row.hardware_id for row in groups}
    sources = {row.source_id for row in groups}
    summary = (
        f"{count(total, 'trial')} of {count(len(workloads), 'workload')} for {count(len(targets), 'target')} on "
        f"{count(len(machines), 'machine')}; {failed / total:.1%} failed."
    )
    table = pa.table(
        {
            "trials": [total],
            "failed": [failed],
            "workloads": [len(workloads)],
            "targets": [len(targets)],
            "machines": [len(machines)],
            "sources": [len(sources)],
        }
    )
    return Panel("counts", "What the store holds", summary, table)


def _days(found: Digest, groups: list[TrialGroup]) -> Panel:
    """Trials by the day that their source measured the workload last."""
    by_place: dict[str, int] = defaultdict(int)
    for row in groups:
        by_place[place(found, row)] += row.num_trials
    named = set(sorted(by_place, key=lambda name: -by_place[name])[:_MOST_PLACES])
    days: dict[tuple[datetime, str], int] = defaultdict(int)
    undated = 0
    for row in groups:
        if row.newest_at is None:
            undated += row.num_trials
            continue
        where = place(found, row)
        day = row.newest_at.replace(hour=0, minute=0, second=0, microsecond=0)
        days[day, where if where in named else "others"] += row.num_trials
    kept = set(sorted({day for day, _ in days})[-_DAYS:])
    left_out = sum(number for (day, _), number in days.items() if day not in kept)
    rows = sorted((day, where, number) for (day, where), number in days.items() if day in kept)
    table = pa.table(
        {
            "day": pa.array([row[0] for row in rows], pa.timestamp("ms", "UTC")),
            "place": [row[1] for row in rows],
            "trials": [row[2] for row in rows],
        }
    )
    title = "Trials by day"
    notes = [f"{count(undated, 'trial')} of logs without times left out."] if undated else []
    if left_out:
        notes.append(f"{count(left_out, 'trial')} of earlier days left out: the newest {_DAYS} are shown.")
    if not rows:
        return Panel("days", title, "No log says when its trials were measured.", table, None, tuple(notes))
    busiest = max(kept, key=lambda day: sum(number for (one, _), number in days.items() if one == day))
    days_text = f"{busiest:%Y-%m-%d} alone"
    if len(kept) > 1:
        span = f"from {min(kept):%Y-%m-%d} to {max(kept):%Y-%m-%d}"
        days_text = f"{count(len(kept), 'day')} {span}, most on {busiest:%Y-%m-%d}"
    summary = f"Measured on {days_text}. A source's trials of a workload count on the day of the last of them."
    return Panel("days", title, summary, table, lambda: _chart(table, len(kept)), tuple(notes))


def _chart(table: pa.Table, num_days: int) -> alt.Chart:
    import altair as alt  # only once it is drawn

    chart: alt.Chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("utcyearmonthdate(day):O", title="day (UTC)", axis=alt.Axis(format="%b %d", labelAngle=0))
            if num_days <= _FEW_DAYS
            else alt.X("utcyearmonthdate(day):T", title="day (UTC)"),
            y=alt.Y("sum(trials):Q", title="trials"),
            color=alt.Color("place:N", title=None, legend=alt.Legend(orient="bottom", columns=1)),
            tooltip=["utcyearmonthdate(day):T", "place:N", "trials:Q"],
        )
        .properties(width=alt.Step(48) if num_days <= _FEW_DAYS else 720, height=220)
    )
    return chart


def _places(found: Digest, groups: list[TrialGroup]) -> Panel:
    by_place: dict[tuple[str, str], list[TrialGroup]] = defaultdict(list)
    for row in groups:
        by_place[row.target_id, place(found, row)].append(row)
    ordered = sorted(by_place.items(), key=lambda item: (-num_trials(item[1]), item[0]))
    newest = [max((row.newest_at for row in rows if row.newest_at), default=None) for _, rows in ordered]
    table = pa.table(
        {
            "target_id": [key[0] for key, _ in ordered],
            "target_and_machine": [key[1] for key, _ in ordered],
            "workloads": [len({row.workload_id for row in rows}) for _, rows in ordered],
            "trials": [num_trials(rows) for _, rows in ordered],
            "failed": [num_failed(rows) for _, rows in ordered],
            "last_measured": pa.array(newest, pa.timestamp("us", "UTC")),
        }
    )
    (_, first), rows = ordered[0]
    summary = f"Most of it is for {first}: {count(num_trials(rows), 'trial')}."
    return Panel("targets", "Targets and machines", summary, table)


def _newest(store: Store, filters: Filters) -> Panel:
    table = run_rows(store, filters)
    summary = "The store has no tuning run; its trials came from logs."
    if table.num_rows:
        first = table.slice(0, 1).to_pylist()[0]
        summary = f"The newest measured {count(first['trials'], 'trial')} on {first['target_and_machine']}."
    notes = (f"The newest {_NEWEST} of {table.num_rows:,}.",) if table.num_rows > _NEWEST else ()
    return Panel("runs", "Newest tuning runs", summary, table.slice(0, _NEWEST), None, notes)


VIEW = View("overview", "Overview", "Store", (), _build)
