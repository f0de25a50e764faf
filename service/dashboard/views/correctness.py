"""Correctness of records: what was found when schedules were compared with the untuned program."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import altair as alt

from service.dashboard.digest import digest
from service.dashboard.marks import (
    BLUE,
    GREY,
    LABEL,
    OLIVE,
    ORANGE,
    WIDTH,
    distinct,
    height_of,
    legend_below,
    nothing,
    plot_of,
    rows_table,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import in_quotes, target_id_of, telling, workload_of
from tunedb.program.targets import target_label
from tunedb.query.verdicts import standing
from tunedb.records import DEFAULT_CONDITIONS, PoolSummary, Verdict
from tunedb.store.contract import Store
from tunedb.units import count

AGREES, WRONG, NOTHING, UNKNOWN = "agrees", "wrong", "nothing found out", "never compared"
_COLORS = {AGREES: BLUE, WRONG: ORANGE, NOTHING: OLIVE, UNKNOWN: GREY}
_WORKLOADS, _LISTED = 30, 2_000
_LOOKED_AT = 1_000  # workloads whose fastest records are asked for
_LEFT, _RIGHT = 1e-8, 1e4  # of a deviation over what is allowed: what is beyond stands at the edge
_VERDICTS, _FASTEST = "Verdicts of schedules", "Whether the fastest records were compared"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    workload_id = None if filters.workload is None else workload_of(store, filters).workload_id
    target_id = target_id_of(store, filters)
    of_schedule: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for verdict in store.verdicts(workload_id, target_id):
        of_schedule[verdict.workload_id, verdict.target_id, verdict.trace_id].append(verdict)
    names = distinct(digest(store).names())
    targets = {row.target_id: target_label(row) for row in store.targets()}
    held = {key: standing(verdicts) for key, verdicts in of_schedule.items()}
    return [
        _verdicts(of_schedule, held, names, targets),
        _fastest(store, held, (workload_id, target_id), names, targets),
    ]


def _said(verdict: Verdict | None) -> str:
    if verdict is None:
        return NOTHING
    return AGREES if verdict.agrees else WRONG


def _verdicts(
    of_schedule: dict[tuple[str, str, str], list[Verdict]],
    held: dict[tuple[str, str, str], Verdict | None],
    names: dict[str, str],
    targets: dict[str, str],
) -> Panel:
    if not held:
        why = (
            "No schedule was compared with the untuned program here: tuning does it at its end, and so does compiling."
        )
        return nothing("verdicts", _VERDICTS, why)
    rows: list[dict[str, Any]] = []
    for (workload_id, target_id, trace_id), verdict in held.items():
        newest = verdict or of_schedule[workload_id, target_id, trace_id][-1]
        timed = newest.is_timed and bool(newest.secs)
        rows.append(
            {
                "workload": names.get(workload_id, f"unknown workload {workload_id[:10]}"),
                "workload_hash": workload_id,
                "target": targets.get(target_id, target_id),
                "trace_id": trace_id,
                "verdict": _said(verdict),
                "deviation": newest.deviation,
                "allowed_deviation": newest.allowed_deviation,
                "arguments": newest.arguments,
                "magnitude": newest.magnitude,
                "tvm_version": newest.tvm_version,
                "found_at_utc": newest.found_at,
                "comparisons": len(of_schedule[workload_id, target_id, trace_id]),
                "times_as_fast_as_untuned": (newest.untuned_secs or 0.0) / (newest.secs or 1.0) if timed else None,
            }
        )
    order = {WRONG: 0, NOTHING: 1, AGREES: 2}
    rows.sort(key=lambda row: (order[row["verdict"]], -row["deviation"] / row["allowed_deviation"], row["workload"]))
    numbers = Counter(row["verdict"] for row in rows)
    shown = list(dict.fromkeys(row["workload"] for row in rows))[:_WORKLOADS]
    chart = _chart([row for row in rows if row["workload"] in shown], shown)
    summary = (
        f"{count(len(rows), 'schedule')} compared: {numbers[AGREES]} agree, {numbers[WRONG]} wrong, {numbers[NOTHING]} "
        "where nothing was found out."
    )
    if numbers[WRONG]:
        worst, allowed = rows[0]["deviation"], rows[0]["allowed_deviation"]
        summary += f" The worst is of {rows[0]['workload']}: it deviates by {worst:.3g} where {allowed:.3g} is allowed."
    notes = [
        f"A deviation of 0 stands at {_LEFT:g} of what is allowed; what is beyond {_RIGHT:g}, NaN too, at {_RIGHT:g}."
    ]
    workloads = len({row["workload"] for row in rows})
    if workloads > len(shown):
        notes.append(f"Drawn are the {len(shown)} workloads with the worst verdicts, of {workloads}.")
    if len(rows) > _LISTED:
        notes.append(f"The table has the first {_LISTED:,} schedules.")
    return Panel("verdicts", _VERDICTS, summary, rows_table(rows[:_LISTED], list(rows[0])), chart, tuple(notes))


def _chart(rows: list[dict[str, Any]], names: list[str]) -> Any:
    points = []
    for row in rows:
        ratio = row["deviation"] / row["allowed_deviation"] if row["allowed_deviation"] else math.inf
        at = _RIGHT if math.isnan(ratio) else min(max(ratio, _LEFT), _RIGHT)
        points.append({"workload": row["workload"], "at": at, "verdict": row["verdict"], "target": row["target"]})
    kinds = [AGREES, WRONG, NOTHING]
    scale = alt.Scale(type="log", domain=[_LEFT / 2, _RIGHT * 2], nice=False)
    dots = (
        plot_of(points)
        .mark_point(filled=True, size=60, opacity=0.85)
        .encode(
            x=alt.X(
                "at:Q", title="deviation over what is allowed", scale=scale, axis=alt.Axis(format="~e", tickCount=7)
            ),
            y=alt.Y("workload:N", title=None, sort=names, axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color(
                "verdict:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[_COLORS[kind] for kind in kinds]),
                legend=legend_below(3),
            ),
            shape=alt.Shape(
                "verdict:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "cross", "diamond"])
            ),
            tooltip=["workload:N", "target:N", "verdict:N", alt.Tooltip("at:Q", format=".3g")],
        )
    )
    limit = plot_of([{"at": 1.0}]).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="at:Q")
    return (limit + dots).properties(width=WIDTH - 160, height=height_of(len(names)))


def _most_measured(store: Store, workload_id: str | None, target_id: str | None) -> tuple[list[str], int]:
    """The workloads that are looked at: those with the most trials; and how many are not."""
    if workload_id is not None:
        return [workload_id], 0
    counted: Counter[str] = Counter()
    for row in digest(store).groups:
        if target_id in (None, row.target_id):
            counted[row.workload_id] += row.num_trials
    return [one for one, _ in counted.most_common(_LOOKED_AT)], max(len(counted) - _LOOKED_AT, 0)


def _traces(store: Store, pools: list[PoolSummary]) -> dict[str, str]:
    """Traces by trial: of the best of some pools."""
    wanted = [pool.best_trial_id for pool in pools if pool.best_trial_id is not None]
    if not wanted:
        return {}
    listed = ", ".join(map(in_quotes, wanted))
    return dict(store.sql(f"SELECT trial_id, trace_id FROM trials WHERE trial_id IN ({listed})").rows)


def _fastest(
    store: Store,
    held: dict[tuple[str, str, str], Verdict | None],
    only: tuple[str | None, str | None],
    names: dict[str, str],
    targets: dict[str, str],
) -> Panel:
    """The fastest record of each workload and target, and what is known of its numbers."""
    workloads, num_beyond = _most_measured(store, *only)
    best: dict[tuple[str, str], PoolSummary] = {}
    for pool in store.pool_summaries(workloads):
        pair = pool.workload_id, pool.target_id
        if pool.conditions != DEFAULT_CONDITIONS or pool.best_secs is None or only[1] not in (None, pool.target_id):
            continue
        if pair not in best or pool.best_secs < (best[pair].best_secs or math.inf):
            best[pair] = pool
    found = sorted(best.items())
    traces = _traces(store, [pool for pair, pool in found if pair in {one[:2] for one in held}])
    if not found:
        return nothing("fastest", _FASTEST, "No trial succeeded here.")
    rows: list[dict[str, Any]] = [
        {
            "workload": names.get(workload_id, f"unknown workload {workload_id[:10]}"),
            "target": targets.get(target_id, target_id),
            "record_id": pool.best_trial_id,
            "latency_secs": pool.best_secs,
            "verdict": _said(held[key])
            if (key := (workload_id, target_id, traces.get(pool.best_trial_id or "", ""))) in held
            else UNKNOWN,
        }
        for (workload_id, target_id), pool in found
    ]
    order = [WRONG, NOTHING, UNKNOWN, AGREES]
    rows.sort(key=lambda row: (order.index(row["verdict"]), row["workload"], row["target"]))
    numbers = Counter(str(row["verdict"]) for row in rows)
    bars = [{"verdict": kind, "records": numbers[kind]} for kind in order]
    base = plot_of(bars).encode(
        x=alt.X(
            "records:Q",
            title="fastest records, one of each workload and target",
            axis=alt.Axis(tickMinStep=1, tickCount=8),
        ),
        y=alt.Y("verdict:N", title=None, sort=order),
    )
    colors = alt.Scale(domain=order, range=[_COLORS[kind] for kind in order])
    drawn = base.mark_bar().encode(color=alt.Color("verdict:N", scale=colors, legend=None))
    text = base.mark_text(align="left", dx=4, color=GREY).encode(text="records:Q")
    summary = (
        f"Of {count(len(rows), 'fastest record')}, one of each workload and target, {numbers[AGREES]} agree with the "
        f"untuned program, {numbers[WRONG]} are wrong, and {numbers[UNKNOWN]} were never compared."
    )
    notes: tuple[str, ...] = ("Wrong ones stand first in the table. The fastest is what `tunedb best` says.",)
    if num_beyond:
        notes = (*notes, f"{count(num_beyond, 'workload')} with fewer trials left out: filter to see one.")
    if len(rows) > _LISTED:
        notes = (*notes, f"It has the first {_LISTED:,}.")
    table = rows_table(rows[:_LISTED], list(rows[0]))
    return Panel(
        "fastest", _FASTEST, summary, table, (drawn + text).properties(width=WIDTH, height=height_of(4)), notes
    )


VIEW = View("correctness", "Correctness", "Records", (), telling(build, "workload", "target"))
