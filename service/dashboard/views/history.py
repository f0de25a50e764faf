"""How the best fell, against trials and against time: of a workload run by run, or of a run task by task. Live."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

import pyarrow as pa

from service.dashboard.digest import Digest, digest, run_of
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views import curves
from service.dashboard.views.curves import Curve
from service.dashboard.views.progress import panel_of
from tunedb.program.targets import target_label
from tunedb.query.best_so_far import Point, of_network, of_task
from tunedb.query.latencies import latencies
from tunedb.query.runs import LAST, RunTask, TuningRun, resolve_run, tuning_runs
from tunedb.records import DEFAULT_CONDITIONS, Source, Trial
from tunedb.store.contract import Store
from tunedb.units import count, duration

_LIKE_NAMES = ("database_tuning_record.json",)  # that MetaSchedule gives every log: the folder tells what it is of


def _build(store: Store, filters: Filters) -> list[Panel]:
    if filters.run is None and filters.workload is not None:
        return _of_workload(store, filters)
    if filters.run is None and not tuning_runs(store):
        text = "The store has no tuning run: choose a workload by its hash."
        return [Panel("trials", "Best so far", text, pa.table({"series": pa.array([], pa.string())}))]
    return _of_run(store, filters)


def _of_run(store: Store, filters: Filters) -> list[Panel]:
    run = run_of(store, resolve_run(store, filters.run or LAST))
    tasks = list(run.tasks)
    if filters.workload is not None:
        wanted = store.resolve_workload(filters.workload).workload_id
        tasks = [task for task in tasks if task.workload_id == wanted]
    drawn = [_curve(task) for task in tasks if task.best_secs is not None][: curves.MOST]
    whole = _network(run) if len(tasks) > 1 else None
    notes = [f"{len(tasks) - len(drawn):,} more tasks left out of the plot."] if len(tasks) > len(drawn) else []
    what = f"Run {run.name}, {target_label(run.target)} on {run.hardware.name}"
    found: list[Panel] = []
    if whole is not None:
        found = curves.panels([whole], what)
    elif drawn:
        found = curves.panels(drawn, what, notes)
    return [panel_of(store, run), *found, _tasks(run, tasks)]


def _curve(task: RunTask) -> Curve:
    points, last = of_task(task), task.steps[-1]
    failed = sum(step.latency_secs is None for step in task.steps)
    return Curve(task.name, tuple(points), Point(last.number, last.secs, points[-1].best_secs), failed)


def _network(run: TuningRun) -> Curve | None:
    """All of a run's tasks together, where it says how often each is called."""
    if any(task.weight is None for task in run.tasks):
        return None
    before = {task.workload_id: task.before_secs for task in run.tasks if task.before_secs is not None}
    weights = {
        task.workload_id: task.weight
        for task in run.tasks
        if task.weight is not None and (task.best_secs is not None or task.workload_id in before)
    }
    points = of_network(run.tasks, weights, before)
    if not points:
        return None
    end = Point(run.num_trials, run.elapsed_secs, points[-1].best_secs)
    label = f"{len(weights)} of {run.num_tasks} tasks, each as often as the network calls it"
    return Curve(label, tuple(points), end, sum(run.failures.values()))


def _tasks(run: TuningRun, tasks: list[RunTask]) -> Panel:
    table = pa.table(
        {
            "workload_hash": pa.array([task.workload_id for task in tasks], pa.string()),
            "task": pa.array([task.name for task in tasks], pa.string()),
            "weight": pa.array([task.weight for task in tasks], pa.float64()),
            "trials": pa.array([len(task.steps) for task in tasks], pa.int64()),
            "failed": pa.array([sum(s.latency_secs is None for s in task.steps) for task in tasks], pa.int64()),
            "best_before_secs": pa.array([task.before_secs for task in tasks], pa.float64()),
            "best_secs": pa.array([task.best_secs for task in tasks], pa.float64()),
        }
    )
    failed = sum(run.failures.values())
    began = "at an unknown time" if run.source.added_at is None else f"{run.source.added_at:%Y-%m-%d %H:%M} UTC"
    summary = (
        f"Run {run.name} began {began}: {count(run.num_trials, 'trial')} of {count(len(run.tasks), 'task')} in "
        f"{run.elapsed_secs:.0f} s for {target_label(run.target)} on {run.hardware.name}; {failed:,} failed."
    )
    return Panel("tasks", "The run's tasks", summary, table)


def _of_workload(store: Store, filters: Filters) -> list[Panel]:
    assert filters.workload is not None
    workload = store.resolve_workload(filters.workload)
    target = None if filters.target is None else store.resolve_target(filters.target).target_id
    found = digest(store)
    groups: dict[tuple[str, str, str], list[Trial]] = defaultdict(list)
    other_conditions = 0
    for trial in store.trials(workload.workload_id, target):
        if trial.conditions != DEFAULT_CONDITIONS:
            other_conditions += 1
        elif filters.since is None or (trial.measured_at is not None and trial.measured_at >= filters.since):
            groups[trial.source_id, trial.target_id, trial.hardware_id].append(trial)
    known = latencies([trial for trials in groups.values() for trial in trials])
    drawn: list[Curve] = []
    labels = {key: f"{_name(found.sources.get(key[0]), key[0])}, {_place(found, *key[1:])}" for key in groups}
    often = Counter(labels.values())
    for key, trials in groups.items():
        label = labels[key] if often[labels[key]] == 1 else f"{labels[key]} ({key[0][:6]})"  # logs have like names
        curve = _of_trials(label, trials, known, found.sources.get(key[0]))
        if curve is not None:
            drawn.append(curve)
    drawn.sort(key=lambda curve: curve.end.best_secs)
    notes = []
    if len(drawn) > curves.MOST:
        notes.append(f"{len(drawn) - curves.MOST:,} sources whose best is slower left out of the plot.")
    if other_conditions:
        notes.append(f"{count(other_conditions, 'trial')} under other conditions left out.")
    best = _best(store, workload.workload_id, target)
    if not drawn:
        return [best]
    return [*curves.panels(drawn[: curves.MOST], workload.name, notes), best]


def _name(source: Source | None, source_id: str) -> str:
    if source is None:
        return source_id[:8]
    if source.format == "tune":
        return f"run {source.uri[5:13]}"
    *_, folder, name = "", *source.uri.rsplit("/", 2)[-2:]
    return (folder or name if name in _LIKE_NAMES else name)[-40:]


def _place(found: Digest, target_id: str, hardware_id: str) -> str:
    return f"{target_label(found.targets[target_id])}, {found.hardware[hardware_id].name}"


def _of_trials(label: str, trials: list[Trial], known: dict[str, float], source: Source | None) -> Curve | None:
    """The curve of one source's trials; None where all failed."""
    times = [trial.measured_at for trial in trials if trial.measured_at is not None]
    began: datetime | None = min(times, default=None)
    if source is not None and source.format == "tune" and source.added_at is not None:
        began = source.added_at
    points: list[Point] = []
    last = Point(0, 0.0, 0.0)
    for number, trial in enumerate(sorted(trials, key=lambda one: (one.position, one.trial_id)), start=1):
        secs = 0.0
        if began is not None and trial.measured_at is not None:
            secs = max(0.0, (trial.measured_at - began).total_seconds())
        latency = known.get(trial.trial_id)
        if latency is not None and (not points or latency < points[-1].best_secs):
            points.append(Point(number, secs, latency))
        last = Point(number, max(secs, last.secs), points[-1].best_secs if points else 0.0)
    failed = sum(trial.trial_id not in known for trial in trials)
    return Curve(label, tuple(points), last, failed) if points else None


def _best(store: Store, workload_id: str, target_id: str | None) -> Panel:
    """The fastest records, each target's by themselves."""
    targets = {row.target_id: row for row in store.targets()}
    hardware = {row.hardware_id: row.name for row in store.hardware()}
    pools = [row for row in store.pool_summaries([workload_id]) if target_id in (None, row.target_id)]
    pools.sort(key=lambda row: (row.best_secs is None, row.best_secs or 0.0))
    table = pa.table(
        {
            "record_id": pa.array([row.best_trial_id for row in pools], pa.string()),
            "target": pa.array([target_label(targets[row.target_id]) for row in pools], pa.string()),
            "machine": pa.array([hardware[row.hardware_id] for row in pools], pa.string()),
            "conditions": pa.array([row.conditions for row in pools], pa.string()),
            "trials": pa.array([row.num_trials for row in pools], pa.int64()),
            "failed": pa.array([row.num_failed for row in pools], pa.int64()),
            "latency_secs": pa.array([row.best_secs for row in pools], pa.float64()),
        }
    )
    good = [row for row in pools if row.best_secs is not None]
    summary = (
        f"{duration(good[0].best_secs)} at best, of {count(len(pools), 'pool')}." if good else "No trial succeeded."
    )
    return Panel("best", "Best of each target and machine", summary, table)


VIEW = View("history", "History and live runs", "Tuning", (), _build, is_live=True)
