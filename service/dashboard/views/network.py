"""A network by its tasks: where its time goes, how far each is from the machine's roof, and what is left to gain."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import altair as alt

from search.pages.runs import machine_text, roof_of
from search.pages.subject import Roof
from service.dashboard.digest import run_of
from service.dashboard.marks import (
    BLUE,
    GREY,
    HEIGHT,
    LABEL,
    ORANGE,
    WIDTH,
    height_of,
    nothing,
    nothings,
    plot_of,
    rows_table,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import required, telling
from service.dashboard.views.network_tasks import BATCH, NetworkTask, ceiling, tasks_of
from service.dashboard.views.progress import panel_of
from tunedb.errors import TunedbError
from tunedb.program.targets import target_label
from tunedb.query.runs import TuningRun, resolve_run
from tunedb.store.contract import Store
from tunedb.units import count, duration, waiting

_BARS, _LISTED = 30, 2_000
_SHARE, _ROOFLINE, _GAIN = "Where the network's time goes", "Roofline of its tasks", "What is left to gain"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        UsageError: no run is named.
        NotFoundError: the store has not what is named, or the run has no trials.
        AmbiguousPrefixError: more than one is meant.
    """
    run = run_of(store, resolve_run(store, required(filters.run, "run")))
    try:
        roof = roof_of(store, run)
    except TunedbError as error:
        roof = Roof(problem=str(error))
    tasks, notes = tasks_of(run, roof)
    progress = panel_of(store, run)
    if not tasks:
        why = f"The run {run.name} has no task with a latency: all {count(run.num_trials, 'trial')} failed."
        return [progress, *nothings(why, share=_SHARE, roofline=_ROOFLINE, gain=_GAIN)]
    return [progress, _share(run, tasks, notes), _roofline(run, roof, tasks), _gain(run, tasks, notes)]


def _share(run: TuningRun, tasks: list[NetworkTask], notes: tuple[str, ...]) -> Panel:
    rows: list[dict[str, Any]] = [
        {
            "task": one.name,
            "workload_hash": one.task.workload_id,
            "calls": one.task.weight,
            "latency_secs": one.secs,
            "total_secs": one.total_secs,
            "share": one.share,
            "trials": len(one.task.steps),
            "failed": sum(step.latency_secs is None for step in one.task.steps),
            "trials_before": one.task.num_before,
            "before_secs": one.task.before_secs,
        }
        for one in tasks
    ]
    shown: list[dict[str, Any]] = [{"task": row["task"], "share": row["share"]} for row in rows[:_BARS]]
    rest = sum(one.share for one in tasks[_BARS:])
    if rest:
        shown.append({"task": f"{len(tasks) - _BARS} other tasks", "share": rest})
    base = plot_of(shown).encode(
        x=alt.X("share:Q", title="share of the network's time", axis=alt.Axis(format="%", tickCount=6)),
        y=alt.Y("task:N", title=None, sort=[row["task"] for row in shown], axis=alt.Axis(labelLimit=LABEL)),
    )
    text = base.mark_text(align="left", dx=4, color=GREY).encode(text=alt.Text("share:Q", format=".1%"))
    chart = (base.mark_bar(color=BLUE) + text).properties(width=WIDTH - 160, height=height_of(len(shown)))
    whole = sum(one.total_secs for one in tasks)
    half = next(n for n in range(1, len(tasks) + 1) if sum(one.share for one in tasks[:n]) >= 0.5 - 1e-9)
    where = f"Run {run.name} on {target_label(run.target)}, {machine_text(run.hardware)}"
    summary = f"{where}: its one task, {tasks[0].name}, takes {duration(whole)}."
    if len(tasks) > 1:
        summary = (
            f"{where}: {len(tasks):,} tasks take {duration(whole)} together. {tasks[0].name} takes "
            f"{tasks[0].share:.0%}; half of the time is in {count(half, 'task')}."
        )
    return Panel("share", _SHARE, summary, rows_table(rows[:_LISTED], list(rows[0])), chart, notes)


def _roofline(run: TuningRun, roof: Roof, tasks: list[NetworkTask]) -> Panel:
    if roof.problem or not roof.dots:
        return nothing("roofline", _ROOFLINE, f"There is no roofline of the run {run.name}: {roof.problem}.")
    of_task = {one.task.workload_id: one for one in tasks}
    rows: list[dict[str, Any]] = [
        {
            "task": of_task[dot.workload_id].name,
            "flop_per_byte": dot.flop_per_byte,
            "gflop_per_sec": dot.flop_per_sec / 1e9,
            "roof_gflop_per_sec": ceiling(roof, dot.flop_per_byte) / 1e9,
            "share_of_roof": dot.flop_per_sec / ceiling(roof, dot.flop_per_byte),
            "share_of_time": of_task[dot.workload_id].share,
        }
        for dot in roof.dots
    ]
    rows.sort(key=lambda row: -float(row["share_of_time"]))
    ridge, peak = roof.flop_per_sec / roof.bytes_per_sec, roof.flop_per_sec / 1e9
    left = min(ridge / 8, *(row["flop_per_byte"] / 2 for row in rows))
    right = max(ridge * 8, *(row["flop_per_byte"] * 2 for row in rows))
    reached = [row["gflop_per_sec"] for row in rows]
    edge = [
        {"x": left, "y": peak * left / ridge, "text": ""},
        {"x": ridge, "y": peak, "text": ""},
        {"x": right, "y": peak, "text": f"{peak:.3g} GFLOP/s"},
    ]
    across = alt.Scale(type="log", domain=[left, right], nice=False)
    up = alt.Scale(type="log", domain=[min(peak * left / ridge, *reached) / 1.5, 2 * max(peak, *reached)], nice=False)
    axis = alt.Axis(tickCount=6, format="~g", grid=False)
    dots = (
        plot_of(rows)
        .mark_point(filled=True, color=BLUE, opacity=0.8)
        .encode(
            x=alt.X("flop_per_byte:Q", title="FLOP per byte of the arguments", scale=across, axis=axis),
            y=alt.Y("gflop_per_sec:Q", title="GFLOP/s", scale=up, axis=axis),
            size=alt.Size(
                "share_of_time:Q",
                title="share of the network's time",
                scale=alt.Scale(range=[30, 600], zero=True),
                legend=alt.Legend(orient="bottom", format="%", titleLimit=WIDTH),
            ),
            tooltip=[
                "task:N",
                alt.Tooltip("share_of_roof:Q", format=".1%"),
                alt.Tooltip("share_of_time:Q", format=".1%"),
            ],
        )
    )
    base = plot_of(edge).encode(x=alt.X("x:Q", scale=across), y=alt.Y("y:Q", scale=up))
    text = base.mark_text(align="right", dy=-8, color=GREY).encode(text="text:N")
    names = (
        plot_of(rows[:1])
        .mark_text(dy=20, color=GREY, limit=220)
        .encode(x=alt.X("flop_per_byte:Q", scale=across), y=alt.Y("gflop_per_sec:Q", scale=up), text="task:N")
    )
    chart = (base.mark_line(color=GREY, strokeWidth=2) + text + dots + names).properties(width=WIDTH, height=HEIGHT)
    worst = min(rows, key=lambda row: float(row["share_of_roof"]))
    summary = (
        f"The machine can do {peak:.3g} GFLOP/s and {roof.bytes_per_sec / 1e9:.3g} GB/s. The heaviest task, "
        f"{rows[0]['task']}, reaches {rows[0]['share_of_roof']:.0%} of its roof; the farthest below, {worst['task']}, "
        f"{worst['share_of_roof']:.0%}."
    )
    notes = [
        "The roof is what the reference kernels reach, times the target's cores; a cache may lift a task above it."
    ]
    if len(rows) < len(tasks):
        notes.append(f"{count(len(tasks) - len(rows), 'task')} left out that compute nothing, or cannot be read.")
    return Panel("roofline", _ROOFLINE, summary, rows_table(rows[:_LISTED], list(rows[0])), chart, tuple(notes))


def _gain(run: TuningRun, tasks: list[NetworkTask], notes: tuple[str, ...]) -> Panel:
    ranked = sorted(tasks, key=lambda one: (-one.share * one.gain, one.name))
    rows: list[dict[str, Any]] = [
        {
            "task": one.name,
            "next_batch_may_save_share_of_network": one.share * one.gain,
            "next_batch_may_save_secs": one.total_secs * one.gain,
            "above_roof_share_of_network": None
            if one.roof_share is None
            else one.share * max(1.0 - one.roof_share, 0.0),
            "share_of_roof": one.roof_share,
            "trials": len(one.task.steps),
        }
        for one in ranked
    ]
    kinds = {
        "above_roof_share_of_network": "all that lies above its roof",
        "next_batch_may_save_share_of_network": "what its next batch may save",
    }
    shown = rows[:_BARS]
    bars: list[dict[str, Any]] = [
        {"task": row["task"], "kind": said, "share": row[key]}
        for row in shown
        for key, said in kinds.items()
        if row[key] is not None
    ]
    names = [*kinds.values()]
    chart = (
        plot_of(bars)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of the network's time", axis=alt.Axis(format="~%", tickCount=4)),
            y=alt.Y("task:N", title=None, sort=[row["task"] for row in shown], axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color("kind:N", scale=alt.Scale(domain=names, range=[GREY, ORANGE]), legend=None),
            tooltip=["task:N", "kind:N", alt.Tooltip("share:Q", format=".2%")],
        )
        .properties(width=WIDTH // 2 - 60, height=height_of(len(shown)))
        .facet(column=alt.Column("kind:N", title=None, sort=names))
        .resolve_scale(x="independent")
    )
    most, total = rows[0], sum(one.share * one.gain for one in tasks)
    pace = _pace(run)
    takes = "" if pace is None else f" A trial took {waiting(pace)} in the median, so a batch of each takes about "
    takes += "" if pace is None else f"{waiting(pace * BATCH * len(tasks))}."
    summary = (
        f"One more batch of every task may save {total:.1%} of the network's time; most of it in {most['task']}, "
        f"{most['next_batch_may_save_share_of_network']:.1%}.{takes}"
    )
    guessed = "The gain is the scheduler's rule where no tuner can tell: it fades with batches, and ends at the roof."
    return Panel("gain", _GAIN, summary, rows_table(rows[:_LISTED], list(rows[0])), chart, (guessed, *notes))


def _pace(run: TuningRun) -> float | None:
    """Seconds from trial to trial, in the median; None where the store has no times."""
    ends = sorted(step.secs for task in run.tasks for step in task.steps)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ends)]
    return statistics.median(gaps) if gaps and ends[-1] > 0 else None


VIEW = View("network", "A network by task", "Tuning", ("run",), telling(build, "run"))
