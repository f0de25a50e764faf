"""Importance of a workload's decisions, and its schedules as lines over the decisions that matter most."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from search.importance import LEAST, Decided, Importance, columns, decided, importance
from service.dashboard.marks import BLUE, GREY, HEIGHT, WIDTH, height_of, legend_below, nothing, plot_of, table_of
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import Scope, scope_of, telling
from tunedb.query.runs import resolve_run
from tunedb.store.contract import Store
from tunedb.units import count, duration

_SEED = 0
_AXES = 7  # decisions beside the latency
_FAST, _REST = 60, 140  # schedules that have a line
_FAST_SHARE = 0.1
_IMPORTANCE, _COORDINATES = "Importance of decisions", "Schedules by their decisions"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        UsageError: no workload is named.
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    scope = scope_of(store, filters)
    if scope is None:
        why = "Nothing of this workload was measured for this target."
        return [nothing("importance", _IMPORTANCE, why), nothing("coordinates", _COORDINATES, why)]
    pool = scope.pool
    run = None if filters.run is None else resolve_run(store, filters.run).source_id
    trials = [
        trial
        for trial in store.trials(pool.workload_id, pool.target_id, conditions=pool.conditions)
        if trial.hardware_id == pool.hardware_id
        and run in (None, trial.source_id)
        and (filters.since is None or (trial.measured_at is not None and trial.measured_at >= filters.since))
    ]
    found = decided(trials)
    mattering = importance(found, _SEED)
    return [_importance(scope, found, mattering), _coordinates(scope, found, mattering)]


def _notes(scope: Scope, found: Decided) -> tuple[str, ...]:
    notes = list(scope.notes)
    if found.num_other_spaces:
        notes.append(f"{count(found.num_other_spaces, 'schedule')} of the workload's other design spaces left out.")
    if found.num_unread:
        notes.append(f"{count(found.num_unread, 'trial')} without readable decisions left out.")
    return tuple(notes)


def _importance(scope: Scope, found: Decided, mattering: Importance | None) -> Panel:
    if mattering is None:
        why = (
            f"{scope.text} has {count(len(found.secs), 'schedule')} of one design space that succeeded; "
            f"importance needs {LEAST}, not all equally fast."
        )
        return nothing("importance", _IMPORTANCE, why)
    order = sorted(range(len(found.decisions)), key=lambda place: -mattering.shares[place])
    names = [found.decisions[place].label for place in order]
    shares = [mattering.shares[place] for place in order]
    table = table_of(
        {
            "decision": names,
            "importance_share_of_variance": shares,
            "deviation_over_folds": [mattering.deviations[place] for place in order],
            "fastest_schedule_has": [found.decisions[place].text(found.values[0][place]) for place in order],
        }
    )
    rows: list[dict[str, Any]] = [
        {"decision": name, "share": max(share, 0.0), "fastest": text}
        for name, share, text in zip(names, shares, table.column("fastest_schedule_has").to_pylist(), strict=True)
    ]

    chart = (
        plot_of(rows)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("share:Q", title="share of the variance of log latency", axis=alt.Axis(format="%", tickCount=6)),
            y=alt.Y("decision:N", title=None, sort=names, axis=alt.Axis(labelLimit=330)),
            tooltip=["decision:N", alt.Tooltip("share:Q", format=".3f"), "fastest:N"],
        )
        .properties(width=WIDTH - 120, height=height_of(len(rows)))
    )
    summary = (
        f"{scope.text}: of {len(found.decisions)} decisions, {names[0]} matters most: shuffled, it costs "
        f"{shares[0]:.0%} of the variance of log latency. The forest predicts {mattering.r2:.0%} of held-out variance "
        f"of {count(len(found.secs), 'schedule')}."
    )
    notes = _notes(scope, found)
    if mattering.r2 < 0.2:
        notes = ("The forest predicts too little of the latency for these figures to mean much.", *notes)
    return Panel("importance", _IMPORTANCE, summary, table, chart, notes)


def _axes(found: Decided, mattering: Importance | None) -> list[tuple[int, int, str]]:
    """Columns of `search.importance.columns` that become axes, with their decisions and names: one of each decision."""
    table, groups = columns(found)
    logs = np.log(found.secs)
    shares = mattering.shares if mattering is not None else [0.0] * len(found.decisions)
    chosen = []
    for decision in sorted(range(len(found.decisions)), key=lambda place: -shares[place]):
        mine = np.flatnonzero(groups == decision)
        varying = [int(column) for column in mine if np.ptp(table[:, column]) > 0]
        if not varying:
            continue
        column = max(varying, key=lambda one: abs(float(np.corrcoef(table[:, one], logs)[0, 1])))
        label = found.decisions[decision].label
        factor = f", factor {column - int(mine[0]) + 1} of {len(mine)}" if len(mine) > 1 else ""
        chosen.append((decision, column, label + factor))
    return chosen[:_AXES]


def _coordinates(scope: Scope, found: Decided, mattering: Importance | None) -> Panel:
    count_all = len(found.secs)
    if count_all < 2 or min(found.secs) == max(found.secs):
        return nothing("coordinates", _COORDINATES, f"{scope.text} has no two schedules to compare.")
    axes = _axes(found, mattering)
    table, groups = columns(found)
    rest = np.linspace(min(_FAST, count_all), count_all - 1, min(_REST, max(count_all - _FAST, 0))).astype(int)
    shown = [*range(min(_FAST, count_all)), *dict.fromkeys(map(int, rest))]
    num_fast = max(1, round(count_all * _FAST_SHARE))
    kinds = (f"fastest {num_fast}", "others")
    names = [name for _, _, name in axes] + ["latency"]
    headers: dict[str, list[Any]] = {"record_id": [found.trial_ids[row] for row in shown]}
    lines: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        if number < len(axes):
            decision, column, _ = axes[number]
            raw, offset = table[:, column], column - int(np.flatnonzero(groups == decision)[0])
            values = [row[decision] for row in found.values]
            said = [
                str(value[offset]) if isinstance(value, list) else found.decisions[decision].text(value)
                for value in values
            ]
        else:
            raw, said = np.log(found.secs), [duration(secs) for secs in found.secs]
        low, high = float(raw.min()), float(raw.max())
        heights = (raw - low) / (high - low)
        headers[name] = [said[row] for row in shown] if number < len(axes) else []
        lines += [
            {
                "line": row,
                "axis": number,
                "height": float(heights[row]),
                "kind": kinds[row >= num_fast],
                "value": said[row],
            }
            for row in shown
        ]
        marks += [
            {"axis": number, "height": float(heights[end]), "text": said[end], "dy": dy}
            for end, dy in ((int(raw.argmin()), 14), (int(raw.argmax()), -10))
        ]
    del headers["latency"]
    headers["latency_secs"] = [found.secs[row] for row in shown]
    chart = _lines(lines, marks, names, kinds)
    median = {name: _middle(headers[name][:num_fast]) for name in names[:-1]}
    leading = "; ".join(f"{name} mostly {value}" for name, value in list(median.items())[:3])
    summary = (
        f"{scope.text}: {count(len(shown), 'schedule')} as lines over {count(len(axes), 'decision')} and the latency, "
        f"from {duration(min(found.secs))} to {duration(max(found.secs))}. The fastest {num_fast}: {leading}."
    )
    notes = _notes(scope, found)
    if len(shown) < count_all:
        notes = (f"{len(shown)} of {count_all} schedules have a line: the fastest, and others evenly by rank.", *notes)
    return Panel("coordinates", _COORDINATES, summary, table_of(headers), chart, notes)


def _middle(values: list[str]) -> str:
    """What comes most often."""
    return max(dict.fromkeys(values), key=values.count)


def _lines(lines: list[dict[str, Any]], marks: list[dict[str, Any]], names: list[str], kinds: tuple[str, str]) -> Any:
    labels = " : ".join(f"datum.value == {place} ? {_words(name)}" for place, name in enumerate(names)) + " : ''"
    across = alt.X(
        "axis:Q",
        title=None,
        scale=alt.Scale(domain=[-0.3, len(names) - 0.7], nice=False, zero=False),
        axis=alt.Axis(
            values=list(range(len(names))),
            labelExpr=labels,
            labelLimit=130,
            grid=True,
            ticks=False,
            domain=False,
            labelLineHeight=12,
        ),
    )
    up = alt.Y("height:Q", axis=None, scale=alt.Scale(domain=[-0.08, 1.08], nice=False))
    drawn = (
        plot_of(sorted(lines, key=lambda row: row["kind"] != kinds[1]))
        .mark_line()
        .encode(
            x=across,
            y=up,
            detail="line:N",
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=[BLUE, GREY]), legend=legend_below()
            ),
            opacity=alt.condition(alt.datum.kind == kinds[0], alt.value(0.9), alt.value(0.25)),
            strokeWidth=alt.condition(alt.datum.kind == kinds[0], alt.value(1.8), alt.value(0.8)),
        )
    )
    said = plot_of(marks).encode(x=alt.X("axis:Q"), y=alt.Y("height:Q"), text="text:N")
    low = said.transform_filter(alt.datum.dy > 0).mark_text(dy=12, color=GREY, fontSize=11)
    high = said.transform_filter(alt.datum.dy < 0).mark_text(dy=-9, color=GREY, fontSize=11)
    return (drawn + low + high).properties(width=max(WIDTH, 115 * len(names)), height=HEIGHT)


def _words(name: str) -> str:
    """A label of several short lines, as Vega's expressions write one."""
    lines, line = [], ""
    for word in name.replace(":", "").split():
        if line and len(line) + len(word) > 15:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    quoted = ["'" + part.replace("\\", "").replace("'", "") + "'" for part in [*lines, line]]
    return f"[{', '.join(quoted)}]"


VIEW = View(
    "importance",
    "Importance of decisions",
    "Workload",
    ("workload",),
    telling(build, "workload", "target", "run", "since"),
)
