"""Two tuning runs side by side: the best of each workload, and how both got there."""

from __future__ import annotations

from math import exp, log

import altair as alt
import pyarrow as pa

from service.dashboard.digest import run_of
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views import curves
from service.dashboard.views.curves import Curve
from tunedb.program.targets import target_label
from tunedb.query.best_so_far import Point, of_task
from tunedb.query.runs import RunTask, TuningRun, resolve_run
from tunedb.store.contract import Store
from tunedb.units import count

_MOST_BARS = 40


def _build(store: Store, filters: Filters) -> list[Panel]:
    assert filters.run is not None
    assert filters.other is not None
    first = run_of(store, resolve_run(store, filters.run))
    second = run_of(store, resolve_run(store, filters.other))
    ours = {task.workload_id: task for task in first.tasks}
    theirs = {task.workload_id: task for task in second.tasks}
    both = [workload_id for workload_id in ours if workload_id in theirs]
    if filters.workload is not None:
        both = [one for one in both if one.startswith(filters.workload.lower())]
    return [
        _facts(first, second),
        _ratios(first, second, both, ours, theirs),
        *_progress(first, second, both, ours, theirs),
    ]


def _facts(first: TuningRun, second: TuningRun) -> Panel:
    runs = (first, second)
    table = pa.table(
        {
            "run_id": [run.source.source_id for run in runs],
            "run": [run.name for run in runs],
            "strategy": [str(run.detail.get("strategy", "unknown")) for run in runs],
            "target": [target_label(run.target) for run in runs],
            "machine": [run.hardware.name for run in runs],
            "tasks": [len(run.tasks) for run in runs],
            "trials": [run.num_trials for run in runs],
            "failed": [sum(run.failures.values()) for run in runs],
            "elapsed_secs": [run.elapsed_secs for run in runs],
        }
    )
    summary = (
        f"Run {first.name} with {count(first.num_trials, 'trial')}, and run {second.name} with {second.num_trials:,}."
    )
    return Panel("runs", "The runs", summary, table)


def _ratios(
    first: TuningRun, second: TuningRun, both: list[str], ours: dict[str, RunTask], theirs: dict[str, RunTask]
) -> Panel:
    comparable = (first.target, first.hardware, first.conditions) == (second.target, second.hardware, second.conditions)
    rows = []
    for workload_id in both:
        mine, its = ours[workload_id].best_secs, theirs[workload_id].best_secs
        ratio = its / mine if mine is not None and its is not None else None
        rows.append((workload_id, ours[workload_id].name, mine, its, ratio))
    rows.sort(key=lambda row: (row[4] is None, -(row[4] or 0.0)))
    table = pa.table(
        {
            "workload_hash": pa.array([row[0] for row in rows], pa.string()),
            "workload": pa.array([row[1] for row in rows], pa.string()),
            "first_best_secs": pa.array([row[2] for row in rows], pa.float64()),
            "second_best_secs": pa.array([row[3] for row in rows], pa.float64()),
            "ratio": pa.array([row[4] for row in rows], pa.float64()),
        }
    )
    title = "Best of each workload"
    good = [row[4] for row in rows if row[4] is not None]
    notes = [] if comparable else ["Target, machine or conditions differ: the ratio compares machines, not searches."]
    alone = len(ours) + len(theirs) - 2 * len(both)
    if alone:
        notes.append(f"{count(alone, 'workload')} that only one run has left out.")
    if len(good) < len(rows):
        notes.append(f"{len(rows) - len(good):,} whose trials all failed in a run have no ratio.")
    if not good:
        return Panel("ratios", title, "The runs have no workload in common that succeeded.", table, None, tuple(notes))
    mean = exp(sum(map(log, good)) / len(good))
    summary = (
        f"Of {count(len(good), 'workload')} in both, the second run's best takes {mean:.3f} times what the first's "
        f"takes"
    )
    spread = f" in the geometric mean, from {min(good):.3f} to {max(good):.3f}." if len(good) > 1 else "."
    summary += spread
    if len(good) > _MOST_BARS:
        notes.append(f"The {_MOST_BARS} largest ratios are drawn.")
    chart = (
        alt.Chart(table.slice(0, min(len(good), _MOST_BARS)))
        .mark_bar()
        .encode(
            x=alt.X("ratio:Q", title="second's best / first's best (log)", scale=alt.Scale(type="log", base=2)),
            x2=alt.datum(1.0),
            y=alt.Y("workload:N", title=None, sort=None),
            color=alt.when("datum.ratio > 1").then(alt.value("#d9772b")).otherwise(alt.value("#2a9d77")),
            tooltip=["workload:N", alt.Tooltip("ratio:Q", format=".3f")],
        )
        .properties(width=560, height=alt.Step(24))
    )
    return Panel("ratios", title, summary, table, chart, tuple(notes))


def _progress(
    first: TuningRun, second: TuningRun, both: list[str], ours: dict[str, RunTask], theirs: dict[str, RunTask]
) -> list[Panel]:
    """How the workload with the most trials in both got faster."""
    drawn = []
    good = [one for one in both if ours[one].best_secs is not None and theirs[one].best_secs is not None]
    if not good:
        return []
    chosen = max(good, key=lambda one: len(ours[one].steps) + len(theirs[one].steps))
    for run, task in ((first, ours[chosen]), (second, theirs[chosen])):
        points, last = of_task(task), task.steps[-1]
        failed = sum(step.latency_secs is None for step in task.steps)
        label = f"run {run.name}, {run.detail.get('strategy', 'unknown strategy')}"
        drawn.append(Curve(label, tuple(points), Point(last.number, last.secs, points[-1].best_secs), failed))
    notes = [f"Of {len(good):,} workloads in both, the one with the most trials."] if len(good) > 1 else []
    return curves.panels(drawn, ours[chosen].name, notes)


VIEW = View("comparison", "Comparison of runs", "Tuning", ("run", "other"), _build)
