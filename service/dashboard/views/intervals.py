"""The interval on a workload's best, on each target and machine; what ties with it; the machine's drift."""

from __future__ import annotations

from typing import Any

import altair as alt

from service.dashboard.marks import (
    BLUE,
    GREY,
    LABEL,
    WIDTH,
    distinct,
    height_of,
    legend_below,
    log_scale,
    nothing,
    plot_of,
    rows_table,
    time_unit,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import Scope, machine_label, scope_of, target_id_of, telling, workload_of
from service.dashboard.views.machines import health
from tunedb.program.targets import target_label
from tunedb.query.estimates import CONFIDENCE, estimate, tied
from tunedb.query.machine_health import kernel_speeds
from tunedb.query.ranking import ranked_best
from tunedb.records import DEFAULT_CONDITIONS
from tunedb.store.contract import Store
from tunedb.units import count, duration

_SCHEDULES = 15
_LOOKED_AT = 200  # schedules of all machines together
_POOLS = 20
_BEST, _TIES = "The best, with its interval", "The best schedules, with their intervals"
_COLUMNS = ("latency_secs", "low_secs", "high_secs", "passes", "runs")


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        UsageError: no workload is named.
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    best = _best(store, filters)
    scope = scope_of(store, filters)
    if scope is None or scope.pool.best_secs is None:
        return [best, nothing("ties", _TIES, "Nothing of this workload succeeded for this target.")]
    hardware_ids = [scope.hardware.hardware_id]
    drift = kernel_speeds(store, since=filters.since, target_id=scope.target.target_id, hardware_ids=hardware_ids)
    return [best, _ties(store, scope), *health(store, drift, "drift")]


def _best(store: Store, filters: Filters) -> Panel:
    """The best of each machine and target under default conditions."""
    workload, target_id = workload_of(store, filters), target_id_of(store, filters)
    targets = {row.target_id: target_label(row) for row in store.targets()}
    machines = {row.hardware_id: machine_label(row) for row in store.hardware()}
    pools = [
        row
        for row in store.pool_summaries([workload.workload_id])
        if target_id in (None, row.target_id) and row.conditions == DEFAULT_CONDITIONS
    ]
    good = sorted((row for row in pools if row.best_secs is not None), key=lambda row: row.best_secs or 0.0)
    if not good:
        return nothing("best", _BEST, f"Of {workload.name}, nothing that was measured here succeeded.")
    labels = distinct(
        {f"{row.hardware_id} {row.target_id}": f"{targets[row.target_id]}, {machines[row.hardware_id]}" for row in good}
    )
    rows: list[dict[str, Any]] = []
    for row in good[:_POOLS]:
        mine = store.schedules(workload.workload_id, row.target_id)
        first = next(one for one in mine if one.hardware_id == row.hardware_id)
        found = estimate(first.passes)
        rows.append(
            {
                "on": labels[f"{row.hardware_id} {row.target_id}"],
                "record_id": row.best_trial_id,
                "latency_secs": found.secs,
                "low_secs": found.low_secs,
                "high_secs": found.high_secs,
                "passes": found.num_rounds,
                "runs": found.num_runs,
            }
        )
    summary = (
        f"{workload.name}: the best is {duration(rows[0]['latency_secs'])} on {rows[0]['on']}, with "
        f"{CONFIDENCE:.0%} between {duration(rows[0]['low_secs'])} and {duration(rows[0]['high_secs'])}, from "
        f"{count(rows[0]['passes'], 'pass', 'passes')}."
    )
    notes = ["Targets and machines stand beside each other to be seen, not to be compared by noise."]
    if len(pools) > len(good):
        failed = count(len(pools) - len(good), "target and machine", "targets and machines")
        notes.append(f"{failed} where every trial failed left out.")
    if len(good) > len(rows):
        notes.append(f"{len(good) - len(rows)} slower ones left out.")
    table = rows_table(rows, ("on", "record_id", *_COLUMNS))
    return Panel("best", _BEST, summary, table, _bars(rows, "on"), tuple(notes))


def _ties(store: Store, scope: Scope) -> Panel:
    pool = scope.pool
    every = [
        row
        for row in ranked_best(store, pool.workload_id, pool.target_id, _LOOKED_AT, pool.conditions)
        if row.trial.hardware_id == pool.hardware_id
    ]
    if not every:
        return nothing("ties", _TIES, f"{scope.text}: its schedules are slower than {_LOOKED_AT} of other machines.")
    first = every[0].estimate
    rows: list[dict[str, Any]] = [
        {
            "schedule": row.trial.trial_id[:10],
            "record_id": row.trial.trial_id,
            "latency_secs": row.estimate.secs,
            "low_secs": row.estimate.low_secs,
            "high_secs": row.estimate.high_secs,
            "passes": row.estimate.num_rounds,
            "runs": row.estimate.num_runs,
            "ties_with_best": tied(row.estimate, first),
        }
        for row in every[:_SCHEDULES]
    ]
    number = sum(tied(row.estimate, first) for row in every)
    more = "at least " if number == len(every) == _LOOKED_AT else ""
    summary = (
        f"{scope.text}: the best schedule takes {duration(first.secs)}, between {duration(first.low_secs)} and "
        f"{duration(first.high_secs)} with {CONFIDENCE:.0%}; {more}{count(number - 1, 'schedule')} besides cannot be "
        "told from it."
    )
    table = rows_table(rows, ("record_id", *_COLUMNS, "ties_with_best"))
    return Panel("ties", _TIES, summary, table, _bars(rows, "schedule", "ties_with_best"), scope.notes)


def _bars(rows: list[dict[str, Any]], name: str, tie: str = "") -> Any:
    """Intervals as bars with a dot for the estimate."""
    scale, unit = time_unit([row["latency_secs"] for row in rows])
    kinds = ("ties with the best", "slower")
    points: list[dict[str, Any]] = [
        {
            **row,
            **{key: row[f"{key}_secs"] / scale for key in ("low", "high")},
            "at": row["latency_secs"] / scale,
            "kind": kinds[not row.get(tie, True)],
        }
        for row in rows
    ]
    names = [row[name] for row in rows]
    ends = [point[end] for point in points for end in ("low", "high")]
    base = plot_of(points).encode(
        y=alt.Y(f"{name}:N", title=None, sort=names, axis=alt.Axis(labelLimit=LABEL)),
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(kinds), range=[BLUE, GREY]),
            legend=legend_below() if tie else None,
        ),
        tooltip=[f"{name}:N", alt.Tooltip("at:Q", title=unit, format=".4g"), "passes:Q", "runs:Q"],
    )
    x = alt.X(
        "low:Q",
        title=f"latency ({unit}), {CONFIDENCE:.0%} interval",
        scale=log_scale(ends),
        axis=alt.Axis(tickCount=6, format="~g"),
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.6).encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(x=alt.X("at:Q"))
    return (bars + dots).properties(width=WIDTH - 180, height=height_of(len(rows)))


VIEW = View(
    "intervals", "Interval on the best", "Workload", ("workload",), telling(build, "workload", "target", "since")
)
