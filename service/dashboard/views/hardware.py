"""Hardware side by side: one workload everywhere, or two targets over all workloads that both have."""

from __future__ import annotations

import math
from typing import Any

import altair as alt

from service.dashboard.digest import digest
from service.dashboard.marks import (
    BLUE,
    GREY,
    LABEL,
    ORANGE,
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
from service.dashboard.scope import in_quotes, machine_label, telling, workload_of
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.program.targets import target_label
from tunedb.query.comparison import Compared, compare
from tunedb.records import DEFAULT_CONDITIONS
from tunedb.store.contract import Store
from tunedb.units import count, duration

_BARS = 30
_LISTED = 2_000
_EVERYWHERE, _PAIR = "One workload on every target and machine", "Two targets, workload by workload"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    if filters.workload is None:
        one = nothing("everywhere", _EVERYWHERE, "Set the workload to see it on every target and machine.")
    else:
        one = _everywhere(store, filters)
    if filters.target is None or filters.other is None:
        pair = nothing("pair", _PAIR, "Set the target, and another one as the other, to compare them.")
    else:
        pair = _pair(store, filters.target, filters.other)
    return [one, pair]


def _everywhere(store: Store, filters: Filters) -> Panel:
    workload = workload_of(store, filters)
    found = compare(store, [workload.workload_id])
    usual = [row for row in found if row.conditions == DEFAULT_CONDITIONS]
    good = [row for row in usual if row.estimate_secs is not None]
    if not good:
        return nothing("everywhere", _EVERYWHERE, f"Nothing of {workload.name} succeeded under default conditions.")
    labels = distinct({f"{row.hardware.hardware_id} {row.target.target_id}": _place(row) for row in good})
    rows: list[dict[str, Any]] = [
        {
            "on": labels[f"{row.hardware.hardware_id} {row.target.target_id}"],
            "target_id": row.target.target_id,
            "hardware_id": row.hardware.hardware_id,
            "latency_secs": row.estimate_secs,
            "ratio_to_fastest": row.ratio,
            "trials": row.num_trials,
            "record_id": row.record_id,
        }
        for row in good[:_BARS]
    ]
    secs = [row["latency_secs"] for row in rows]
    scale, unit = time_unit(secs)
    names = [row["on"] for row in rows]
    base = plot_of([{**row, "at": row["latency_secs"] / scale} for row in rows]).encode(
        x=alt.X("at:Q", title=f"latency of the best schedule ({unit})"),
        y=alt.Y("on:N", title=None, sort=names, axis=alt.Axis(labelLimit=LABEL)),
        tooltip=["on:N", alt.Tooltip("at:Q", title=unit, format=".4g"), "trials:Q"],
    )
    text = base.mark_text(align="left", dx=4, color=GREY).encode(text=alt.Text("ratio_to_fastest:Q", format=".2f"))
    chart = (base.mark_bar(color=BLUE) + text).properties(width=WIDTH - 160, height=height_of(len(rows)))
    summary = f"{workload.name} is fastest on {rows[0]['on']} with {duration(secs[0])}"
    summary += (
        f"; the slowest of {len(good)}, {rows[-1]['on']}, takes {good[-1].ratio:.2f} times as long."
        if len(good) > 1
        else "."
    )
    notes = [
        "The figure at a bar is the ratio to the fastest. Trials differ in number, so a short search may be behind."
    ]
    if len(good) < len(usual):
        failed = len(usual) - len(good)
        notes.append(
            f"{count(failed, 'target and machine', 'targets and machines')} where every trial failed left out."
        )
    if len(usual) < len(found):
        notes.append(f"{len(found) - len(usual)} measured under other conditions left out.")
    return Panel("everywhere", _EVERYWHERE, summary, rows_table(rows, list(rows[0])), chart, tuple(notes))


def _place(row: Compared) -> str:
    return f"{target_label(row.target)}, {machine_label(row.hardware)}"


def _pair(store: Store, first: str, second: str) -> Panel:
    """The ratio of the best of two targets, workload by workload."""
    one, other = store.resolve_target(first), store.resolve_target(second)
    kernels = ", ".join(map(in_quotes, sorted(WORKLOAD_IDS)))
    found = store.sql(
        f"""SELECT workload_id, least, other, trials, others FROM (
            SELECT workload_id,
                min(secs_median) FILTER (target_id = {in_quotes(one.target_id)}) AS least,
                min(secs_median) FILTER (target_id = {in_quotes(other.target_id)}) AS other,
                count(*) FILTER (target_id = {in_quotes(one.target_id)}) AS trials,
                count(*) FILTER (target_id = {in_quotes(other.target_id)}) AS others
            FROM trials WHERE conditions = '{DEFAULT_CONDITIONS}' AND outcome = 'ok' AND workload_id NOT IN ({kernels})
            GROUP BY workload_id)
        WHERE least > 0 AND other > 0 ORDER BY other / least, workload_id"""
    ).rows
    label, other_label = target_label(one), target_label(other)
    if not found or one.target_id == other.target_id:
        why = f"{label} and {other_label} have no workload in common that succeeded on both."
        return nothing("pair", _PAIR, "The two targets are one." if one.target_id == other.target_id else why)
    names = distinct(digest(store).names())
    rows: list[dict[str, Any]] = [
        {
            "workload": names[workload_id],
            "workload_hash": workload_id,
            "least_median_secs": least,
            "others_least_median_secs": others_least,
            "ratio_other_to_this": others_least / least,
            "trials": trials,
            "others_trials": others,
        }
        for workload_id, least, others_least, trials, others in found
    ]
    mean = math.exp(sum(math.log(row["ratio_other_to_this"]) for row in rows) / len(rows))
    half = _BARS // 2
    drawn = rows if len(rows) <= _BARS else rows[:half] + rows[-half:]
    kinds = (f"{label} is faster", f"{other_label} is faster")
    ratios = [row["ratio_other_to_this"] for row in drawn]
    points: list[dict[str, Any]] = [
        {**row, "ratio": ratio, "from": 1.0, "kind": kinds[ratio < 1]} for row, ratio in zip(drawn, ratios, strict=True)
    ]
    chart = (
        plot_of(points)
        .mark_bar()
        .encode(
            x=alt.X(
                "from:Q",
                title=f"{other_label} over {label} (log scale)",
                scale=log_scale([*ratios, 1.0]),
                axis=alt.Axis(format="~g", tickCount=6),
            ),
            x2="ratio:Q",
            y=alt.Y("workload:N", title=None, sort=[row["workload"] for row in drawn], axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=[BLUE, ORANGE]), legend=legend_below(1)
            ),
            tooltip=["workload:N", alt.Tooltip("ratio:Q", format=".3f")],
        )
        .properties(width=WIDTH - 160, height=height_of(len(drawn)))
    )
    faster = sum(row["ratio_other_to_this"] > 1 for row in rows)
    summary = (
        f"Of {count(len(rows), 'workload')} that both have, {label} is faster on {faster}; {other_label} takes "
        f"{mean:.2f} times as long in the geometric mean."
    )
    notes = ["Each by the least median of a trial on any machine; failed trials left out."]
    if len(drawn) < len(rows):
        notes.append(f"Drawn are the {half} smallest and the {half} largest ratios of {len(rows)}.")
    if len(rows) > _LISTED:
        notes.append(f"The table has the first {_LISTED:,}.")
    return Panel("pair", _PAIR, summary, rows_table(rows[:_LISTED], list(rows[0])), chart, tuple(notes))


VIEW = View("hardware", "Hardware side by side", "Machines", (), telling(build, "workload", "target", "other"))
