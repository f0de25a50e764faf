"""What was measured where, and how long ago: maps of operators and of workloads by machine."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from statistics import median

import altair as alt
import pyarrow as pa

from service.dashboard.digest import Digest, digest
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views.selection import num_failed, num_trials, place, selected
from tunedb.records import TrialGroup
from tunedb.store.contract import Store
from tunedb.units import count

_MOST_WORKLOADS = 40
_MOST_FAMILIES = 30
_MOST_PLACES = 12
_DAY_SECS = 86_400.0
_STALE_DAYS = 90.0
_LINES = "[split(datum.label, ', ')[0], slice(datum.label, indexof(datum.label, ', ') + 2)]"  # target, machine
_UNKNOWN = "#9aa4af"  # of cells whose logs have no times


def _build(store: Store, filters: Filters) -> list[Panel]:
    found = digest(store)
    groups = selected(store, found, filters)
    by_place: Counter[str] = Counter()
    for row in groups:
        by_place[place(found, row)] += row.num_trials
    kept = {name for name, _ in by_place.most_common(_MOST_PLACES)}
    notes = (f"{len(by_place) - len(kept):,} places with fewer trials left out.",) if len(by_place) > len(kept) else ()
    here = [(row, where) for row in groups if (where := place(found, row)) in kept]
    now = datetime.now(UTC)
    return [_families(found, here, now, notes), _workloads(found, here, now, notes)]


def _age(rows: list[TrialGroup], now: datetime) -> float | None:
    """Days since the last trial; None where no log has times."""
    newest = max((row.newest_at for row in rows if row.newest_at is not None), default=None)
    return None if newest is None else max(0.0, (now - newest).total_seconds() / _DAY_SECS)


def _families(found: Digest, here: list[tuple[TrialGroup, str]], now: datetime, notes: tuple[str, ...]) -> Panel:
    all_of: dict[str, set[str]] = defaultdict(set)
    cells: dict[tuple[str, str], dict[str, list[TrialGroup]]] = defaultdict(lambda: defaultdict(list))
    for row, where in here:
        family = _family(found, row)
        all_of[family].add(row.workload_id)
        cells[family, where][row.workload_id].append(row)
    families = sorted(all_of, key=lambda name: (-len(all_of[name]), name))[:_MOST_FAMILIES]
    places = sorted({where for _, where in cells})
    rows = []
    for family in families:
        for where in places:
            of = cells.get((family, where), {})
            ages = [age for mine in of.values() if (age := _age(mine, now)) is not None]
            trials = sum(num_trials(mine) for mine in of.values())
            rows.append((family, where, len(of), len(all_of[family]), trials, median(ages) if ages else None))
    table = pa.table(
        {
            "family": pa.array([row[0] for row in rows], pa.string()),
            "place": pa.array([row[1] for row in rows], pa.string()),
            "workloads": pa.array([row[2] for row in rows], pa.int64()),
            "workloads_of_family": pa.array([row[3] for row in rows], pa.int64()),
            "trials": pa.array([row[4] for row in rows], pa.int64()),
            "median_age_days": pa.array([row[5] for row in rows], pa.float64()),
        }
    )
    covered, gaps = sum(row[2] > 0 for row in rows), sum(row[2] == 0 for row in rows)
    summary = (
        f"{count(len(families), 'family', 'families')} of operators on {count(len(places), 'place')}: "
        f"{covered:,} cells have trials, {gaps:,} have none. A cell shows how many workloads were measured; the darker "
        "blue it is, the fresher; where logs have no times it is grey."
    )
    title = "Operators by target and machine"
    if not rows:
        return Panel("families", title, "There are no trials.", table, None, notes)
    return Panel("families", title, summary, table, _map(table, "family", "median_age_days", "workloads"), notes)


def _workloads(found: Digest, here: list[tuple[TrialGroup, str]], now: datetime, notes: tuple[str, ...]) -> Panel:
    total: Counter[str] = Counter()
    cells: dict[tuple[str, str], list[TrialGroup]] = defaultdict(list)
    for row, where in here:
        total[row.workload_id] += row.num_trials
        cells[row.workload_id, where].append(row)
    shown = [workload_id for workload_id, _ in total.most_common(_MOST_WORKLOADS)]
    names = _labels(found, shown)
    rows = [
        (workload_id, names[workload_id], where, num_trials(mine), num_failed(mine), _age(mine, now))
        for workload_id in shown
        for where in sorted({where for _, where in cells})
        if (mine := cells.get((workload_id, where)))
    ]
    table = pa.table(
        {
            "workload_hash": pa.array([row[0] for row in rows], pa.string()),
            "workload": pa.array([row[1] for row in rows], pa.string()),
            "place": pa.array([row[2] for row in rows], pa.string()),
            "trials": pa.array([row[3] for row in rows], pa.int64()),
            "failed": pa.array([row[4] for row in rows], pa.int64()),
            "age_days": pa.array([row[5] for row in rows], pa.float64()),
        }
    )
    if len(total) > len(shown):
        notes = (*notes, f"{len(total) - len(shown):,} workloads with fewer trials left out: filter to see them.")
    title = "Workloads by target and machine"
    if not rows:
        return Panel("workloads", title, "There are no trials.", table, None, notes)
    old = [row for row in rows if row[5] is not None and row[5] > _STALE_DAYS]
    undated = sum(row[5] is None for row in rows)
    summary = (
        f"The {count(len(shown), 'workload')} with the most trials; a cell shows how many. {len(old):,} of "
        f"{len(rows):,} cells were last measured more than {_STALE_DAYS:g} days ago"
    )
    summary += f"; the logs of {undated:,} do not say when." if undated else "."
    return Panel("workloads", title, summary, table, _map(table, "workload", "age_days", "trials"), notes)


def _family(found: Digest, row: TrialGroup) -> str:
    named = found.workloads.get(row.workload_id)
    return named.family if named is not None else "unknown"


def _labels(found: Digest, workload_ids: list[str]) -> dict[str, str]:
    """Names that tell workloads apart: with the hash where two have the same."""
    names = {one: found.workloads[one].name if one in found.workloads else one[:12] for one in workload_ids}
    often = Counter(names.values())
    return {one: name if often[name] == 1 else f"{name} {one[:6]}" for one, name in names.items()}


def _map(table: pa.Table, rows: str, age: str, shown: str) -> alt.LayerChart:
    """A cell for each row and place: coloured by age, with a number in it."""
    base = alt.Chart(table).encode(
        x=alt.X(
            "place:N",
            title=None,
            axis=alt.Axis(
                labelAngle=0, orient="top", labelLimit=150, labelPadding=20, labelOverlap=False, labelExpr=_LINES
            ),
        ),
        y=alt.Y(f"{rows}:N", title=None, sort=None, axis=alt.Axis(labelLimit=280)),
    )
    colour = alt.Color(
        f"{age}:Q",
        title="age in days",
        scale=alt.Scale(
            domain=[0, _STALE_DAYS], clamp=True, range=["#1f5fae", "#7db5f5", "#e3c07a"], interpolate="rgb"
        ),
        legend=alt.Legend(orient="bottom", direction="horizontal"),
    )
    told = [field.name for field in table.schema]
    cells = (
        base.transform_filter(f"datum.{shown} > 0 && isValid(datum.{age})")
        .mark_rect(cornerRadius=2, stroke="#8888", strokeWidth=0.5)
        .encode(color=colour, tooltip=told)
    )
    undated = (
        base.transform_filter(f"datum.{shown} > 0 && !isValid(datum.{age})")
        .mark_rect(cornerRadius=2, stroke="#8888", strokeWidth=0.5, color=_UNKNOWN)
        .encode(tooltip=told)
    )
    fresh = f"isValid(datum.{age}) && datum.{age} < {_STALE_DAYS / 3:g}"
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text(f"{shown}:Q", format=","),
        color=alt.when(f"datum.{shown} == 0")
        .then(alt.value("#8a94a0"))
        .when(fresh)
        .then(alt.value("#ffffff"))
        .otherwise(alt.value("#1f2328")),
    )
    made: alt.LayerChart = (cells + undated + numbers).properties(width=alt.Step(160), height=alt.Step(24))
    return made


VIEW = View("coverage", "Coverage", "Store", (), _build)
