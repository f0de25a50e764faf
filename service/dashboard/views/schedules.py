"""The difference of two schedules: by their decisions, by the instructions of their traces, and as TVMScript.

Traces are data here. TVMScript needs a replay: only what a tuning run of the store measured on this very machine is
replayed, and only in a child process. Whatever somebody sent, or a log or another store brought, is shown without.
"""

from __future__ import annotations

import difflib
from typing import Any

import altair as alt
import msgspec

from search.importance import labelled
from search.space.decisions import read_decisions
from service.dashboard.marks import BLUE, LABEL, ORANGE, WIDTH, height_of, nothing, nothings, plot_of, rows_table
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import required, scope_of, telling, workload_of
from tunedb.errors import AmbiguousPrefixError, NotFoundError, TunedbError
from tunedb.identity import trace_id
from tunedb.machine.hardware import this_machine
from tunedb.query.ranking import ranked_best
from tunedb.query.trust import Trust
from tunedb.records import Trial
from tunedb.store.contract import Store
from tunedb.units import count, duration

_DECISIONS, _TRACE, _SCRIPT = "Decisions that differ", "Instructions that differ", "TVMScript, line by line"
_LINES = 3_000
_LOOKED_AT = 200  # schedules of all machines together
_SHORT = 10  # of an id


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        UsageError: neither a record nor a workload is named.
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    pair = _pair(store, filters)
    if pair is None:
        why = "The workload has no two schedules that succeeded on one target and machine."
        return nothings(why, decisions=_DECISIONS, instructions=_TRACE, script=_SCRIPT)
    first, second = pair
    return [_decisions(first, second), _instructions(first, second), _script(store, first, second)]


def _pair(store: Store, filters: Filters) -> tuple[Trial, Trial] | None:
    """The records that are compared: those that are named, and the best of the workload for one that is not."""
    try:
        named = [store.trial(required(filters.workload, "workload"))]
        workload = named[0].workload_id
    except AmbiguousPrefixError:
        raise
    except NotFoundError:
        named, workload = [], workload_of(store, filters).workload_id
    if filters.other is not None:
        named.append(store.trial(filters.other))
    if len(named) < 2:
        target = named[0].target_id if named else filters.target
        scope = scope_of(store, Filters(workload=workload, target=target))
        if scope is None:
            return None
        pool = scope.pool
        best = [
            row.trial
            for row in ranked_best(store, workload, pool.target_id, _LOOKED_AT, pool.conditions)
            if row.trial.hardware_id == pool.hardware_id
        ]
        schedules = {trace_id(trial.trace) for trial in named}
        others = [trial for trial in best if trace_id(trial.trace) not in schedules]
        # A record that is named second stands second: the best of its workload comes before it.
        named = [others[0], *named] if filters.other is not None and others else [*named, *others]
    return (named[0], named[1]) if len(named) > 1 else None


def _name(trial: Trial) -> str:
    secs = duration(trial.run_secs_median) if trial.run_secs else trial.outcome.value
    return f"{trial.trial_id[:_SHORT]} ({secs})"


def _labels(trial: Trial) -> dict[str, tuple[list[int] | int, str]] | None:
    """Decisions of a trace by what they are about, as they are and as people read them."""
    read = read_decisions(trial.trace)
    if read is None:
        return None
    places = sorted(read.decisions)
    return {
        one.label: (read.decisions[place], one.text(read.decisions[place]))
        for one, place in zip(labelled(trial, places), places, strict=True)
    }


def _decisions(first: Trial, second: Trial) -> Panel:
    one, other = _labels(first), _labels(second)
    if one is None or other is None or not (one or other):
        return nothing("decisions", _DECISIONS, "The traces have no decisions that can be read.")
    rows: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    names = [_name(first), _name(second)]
    for label in dict.fromkeys([*one, *other]):
        mine, its = one.get(label), other.get(label)
        differ = (mine and mine[0]) != (its and its[0])
        rows.append({"decision": label, "first": mine and mine[1], "second": its and its[1], "differs": differ})
        if differ:
            marks += [
                {"decision": label, "record": name, "value": "-" if value is None else value[1], "place": place}
                for place, (name, value) in enumerate(zip(names, (mine, its), strict=True))
            ]
    number = sum(row["differs"] for row in rows)
    other_workload = "" if first.workload_id == second.workload_id else " They are of different workloads."
    summary = f"{names[0]} and {names[1]} differ in {number} of {count(len(rows), 'decision')}.{other_workload}"
    told = [row for row in rows if row["differs"]]
    if told:
        summary += f" The first: {told[0]['decision']}, {told[0]['first'] or 'none'} and {told[0]['second'] or 'none'}."
    chart = None
    if marks:
        chart = (
            plot_of(marks)
            .mark_text(fontSize=13)
            .encode(
                x=alt.X(
                    "record:N", title=None, sort=names, axis=alt.Axis(orient="top", labelAngle=0, labelLimit=LABEL)
                ),
                y=alt.Y(
                    "decision:N", title=None, sort=[row["decision"] for row in told], axis=alt.Axis(labelLimit=LABEL)
                ),
                text="value:N",
                color=alt.Color(
                    "record:N", sort=names, scale=alt.Scale(domain=names, range=[BLUE, ORANGE]), legend=None
                ),
            )
            .properties(width=WIDTH - 220, height=height_of(len(told)))
        )
    return Panel("decisions", _DECISIONS, summary, rows_table(rows, list(rows[0])), chart)


def _instructions(first: Trial, second: Trial) -> Panel:
    try:
        one, other = (_written(trial) for trial in (first, second))
    except (msgspec.MsgspecError, ValueError, TypeError):
        return nothing("instructions", _TRACE, "A trace is none of MetaSchedule's: its instructions cannot be read.")
    rows = _diff(one, other)
    changed = [row for row in rows if row["mark"] != " "]
    summary = (
        f"Of {len(one)} and {count(len(other), 'instruction')}, "
        f"{sum(row['mark'] == '-' for row in rows)} are only in {_name(first)} and "
        f"{sum(row['mark'] == '+' for row in rows)} only in {_name(second)}; postprocessors' instructions included."
    )
    notes: tuple[str, ...] = ("Instructions that both have are left out.",)
    table = rows_table(changed[:_LINES], ("mark", "first_line", "second_line", "text"))
    return Panel("instructions", _TRACE, summary, table, None, notes)


def _written(trial: Trial) -> list[str]:
    """The instructions of a trace, one a line, with what was decided."""
    instructions = msgspec.json.decode(trial.trace.instructions, type=list[tuple[str, list[Any], Any, list[Any]]])
    decided = dict(msgspec.json.decode(trial.trace.decisions, type=list[tuple[int, Any]]))
    lines = []
    for place, (name, inputs, attributes, outputs) in enumerate(instructions):
        said = ", ".join(str(value) for value in [*inputs, *(attributes or [])])
        made = f"{', '.join(map(str, outputs))} = " if outputs else ""
        lines.append(f"{made}{name}({said})" + (f" -> {decided[place]}" if place in decided else ""))
    return lines


def _diff(one: list[str], other: list[str]) -> list[dict[str, Any]]:
    """Lines of both, in order: "-" only in the first, "+" only in the second, " " in both."""
    rows: list[dict[str, Any]] = []
    for tag, low, high, its_low, its_high in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            rows += [
                {"mark": " ", "first_line": line + 1, "second_line": line - low + its_low + 1, "text": one[line]}
                for line in range(low, high)
            ]
            continue
        rows += [
            {"mark": "-", "first_line": line + 1, "second_line": None, "text": one[line]} for line in range(low, high)
        ]
        rows += [
            {"mark": "+", "first_line": None, "second_line": line + 1, "text": other[line]}
            for line in range(its_low, its_high)
        ]
    return rows


def _script(store: Store, first: Trial, second: Trial) -> Panel:
    """TVMScript of both, where this machine measured both."""
    trust, here = Trust.of(store), this_machine().hardware_id
    formats = {row.source_id: row.format for row in store.sources()}
    for trial in (first, second):
        if trust.others(trial) or formats.get(trial.source_id) != "tune" or trial.hardware_id != here:
            why = (
                f"{_name(trial)} was not measured by this machine's own tuning: traces from elsewhere are data, and "
                "are never replayed for a page. `tunedb best --show script` replays a workload's best where you are."
            )
            return nothing("script", _SCRIPT, why)
    try:
        one, other = (_replayed(store, trial) for trial in (first, second))
    except TunedbError as error:
        return nothing("script", _SCRIPT, f"One of them does not replay here: {error}.")
    rows = _diff(one, other)
    lost, new = (sum(row["mark"] == mark for row in rows) for mark in "-+")
    summary = (
        f"Of {len(one)} and {count(len(other), 'line')} of TVMScript, {lost} are only in {_name(first)} and {new} only "
        f"in {_name(second)}."
    )
    notes: tuple[str, ...] = ("Both were measured by this machine's own tuning runs, and replayed in a child process.",)
    if len(rows) > _LINES:
        notes = (*notes, f"The first {_LINES:,} of {len(rows):,} lines.")
    table = rows_table(rows[:_LINES], ("mark", "first_line", "second_line", "text"))
    return Panel("script", _SCRIPT, summary, table, None, notes)


def _replayed(store: Store, trial: Trial) -> list[str]:
    from tunedb.metaschedule.replay import script

    return script(store.module(trial.module_id), trial).splitlines()


VIEW = View(
    "schedules", "Difference of two schedules", "Records", ("workload",), telling(build, "workload", "other", "target")
)
