"""A tuning run of a store as a page shows it: what it found, and what its prior says of its trials now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodels.features import FAMILIES
from costmodels.kinds import of_kind
from costmodels.metrics import spearman
from costmodels.pools import features_of
from search.pages.subject import Curve, Dot, Guess, Guesses, Roof, Subject, TaskFigure
from search.pages.surroundings import machine_facts
from search.prior import prior_of
from tunedb.errors import TunedbError
from tunedb.program.targets import target_label
from tunedb.query.best_so_far import of_network, of_task
from tunedb.query.calibration import calibration
from tunedb.query.runs import RunTask, TuningRun
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Trial
from tunedb.store.contract import Store
from tunedb.units import count, elapsed

_MOST_CURVES = 6  # of single tasks, where nothing says how much each weighs
_LEAST = 3  # trials of a workload of which a rank correlation says something


def subject_of(store: Store, run: TuningRun) -> Subject:
    """All that a page shows of a run.

    Args:
        store: The store that has it; features that are computed are kept there.
        run: The run.
    """
    label = f"{_strategy(run)} seed {run.detail.get('seed', '?')} ({run.name})"
    return Subject(
        label,
        (run.target.target_id, run.hardware.hardware_id, run.conditions),
        (*_facts(run), *machine_facts(store, run)),
        _curves(run, label),
        tuple(_figure(task) for task in run.tasks),
        _guesses(store, run),
        roof_of(store, run),
    )


def machine_text(hardware: Hardware) -> str:
    """A machine's name and cores."""
    return hardware.name if hardware.num_cores is None else f"{hardware.name}, {count(hardware.num_cores, 'core')}"


def _strategy(run: TuningRun) -> str:
    return str(run.detail.get("strategy", "unknown strategy"))


def _facts(run: TuningRun) -> tuple[tuple[str, str], ...]:
    failed = sum(run.failures.values())
    causes = ", ".join(f"{number} {outcome.value}" for outcome, number in sorted(run.failures.items()))
    covered = [task for task in run.tasks if task.num_before]
    num_before = sum(task.num_before for task in covered)
    remembered = (
        f"{count(num_before, 'trial')} of {len(covered)} of these tasks" if covered else "nothing of these tasks"
    )
    conditions = () if run.conditions == DEFAULT_CONDITIONS else (("conditions", run.conditions),)
    return (
        ("run", run.source.uri),
        ("target", target_label(run.target)),
        ("machine", machine_text(run.hardware)),
        ("strategy", f"{_strategy(run)}, seed {run.detail.get('seed', '?')}"),
        ("prior", str(run.detail.get("prior", "unknown"))),
        *conditions,
        ("tasks", run.tasks[0].name if run.num_tasks == 1 else f"{len(run.tasks)} of {run.num_tasks} measured"),
        ("trials", str(run.num_trials)),
        ("failed", f"{failed}: {causes}" if failed else "none"),
        ("measured again", count(run.num_repeats, "time")),
        ("time to the last trial", elapsed(run.elapsed_secs)),
        ("remembered before", remembered),
        ("TVM", str(run.detail.get("tvm_version", "unknown"))),
    )


def _figure(task: RunTask) -> TaskFigure:
    failed = sum(step.latency_secs is None for step in task.steps)
    return TaskFigure(task.workload_id, task.name, task.weight, len(task.steps), failed, task.best_secs)


def _curves(run: TuningRun, label: str) -> tuple[Curve, ...]:
    """One curve of all tasks where their weights are known, else one of each of those with the most trials."""
    ends = (run.num_trials, run.elapsed_secs)
    if len(run.tasks) > 1 and all(task.weight is not None for task in run.tasks):
        known = {task.workload_id: task.before_secs for task in run.tasks if task.best_secs is None}
        before = {workload_id: secs for workload_id, secs in known.items() if secs is not None}
        weights = {
            task.workload_id: task.weight
            for task in run.tasks
            if task.weight is not None and (task.best_secs is not None or task.workload_id in before)
        }
        of = f"{len(weights)} of the {run.num_tasks} tasks of a network, together"
        return (Curve(label, of, " ".join(sorted(weights)), tuple(of_network(run.tasks, weights, before)), *ends),)
    return tuple(
        Curve(label, task.name, task.workload_id, tuple(of_task(task)), *ends) for task in run.tasks[:_MOST_CURVES]
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    task: str
    secs: float
    trial: Trial


def _guesses(store: Store, run: TuningRun) -> Guesses:
    """What the prior's model predicts now for the run's good trials, on the scale of each workload's mean."""
    good = {
        task.workload_id: [
            _Measured(task.name, step.latency_secs, step.trial) for step in task.steps if step.latency_secs is not None
        ]
        for task in run.tasks
    }
    try:
        prior = prior_of(store, run.target, conditions=run.conditions)
        if prior.model is None:
            return Guesses(problem=f"no cost model for {run.target.kind}")
        trials = [one.trial for of_one in good.values() for one in of_one]
        found = features_of(store, run.target, trials, of_kind(run.target.kind).features)
        guesses: list[Guess] = []
        correlations = []
        for measured in good.values():
            usable = [one for one in measured if one.trial.trial_id in found.rows]
            if not usable:
                continue
            predicted = prior.model.predict(np.stack([found.rows[one.trial.trial_id] for one in usable])).mean
            logs = np.log([one.secs for one in usable])
            on_scale = np.exp(predicted - predicted.mean() + logs.mean())
            guesses += [Guess(one.task, one.secs, float(secs)) for one, secs in zip(usable, on_scale, strict=True)]
            if len(usable) >= _LEAST:
                correlations.append(spearman(np.exp(logs.min() - logs), predicted))
    except TunedbError as error:
        return Guesses(problem=str(error))
    if not guesses:
        why = next(iter(found.causes.values()), "no trial succeeded")
        return Guesses(model=prior.text, problem=f"no features of its trials: {why}")
    defined = [value for value in correlations if not math.isnan(value)]
    return Guesses(prior.text, tuple(guesses), float(np.mean(defined)) if defined else None)


def roof_of(store: Store, run: TuningRun) -> Roof:
    """The reference kernels' figures, times the target's cores, and the best of each task below them.

    Args:
        store: The store that has the run; what is counted of its workloads is kept there.
        run: The run.
    """
    top = calibration(store, run.target.target_id, run.hardware.hardware_id)
    if top.flop_per_sec is None or top.bytes_per_sec is None:
        return Roof(problem="the store has no reference kernels of this machine and target")
    best = {task.workload_id: task for task in run.tasks if task.best_secs is not None}
    work = _work(store, run, list(best.values()))
    dots = [
        Dot(best[workload_id].name, flop / moved, flop / secs, workload_id)
        for workload_id, (flop, moved) in work.items()
        if (secs := best[workload_id].best_secs) is not None and flop > 1 and moved > 0
    ]
    if not dots:
        return Roof(problem="nothing of the run computes, or its programs cannot be read")
    cores = run.target.num_cores or 1
    return Roof(cores * top.flop_per_sec, cores * top.bytes_per_sec, tuple(dots))


def _work(store: Store, run: TuningRun, tasks: Sequence[RunTask]) -> dict[str, tuple[float, float]]:
    """FLOP, and bytes of all arguments, of each workload that can be described."""
    family = FAMILIES["workload"]
    names = family.names()
    flop, moved = names.index("workload_flop"), names.index("workload_bytes")
    trials = [task.steps[0].trial for task in tasks]
    rows = features_of(store, run.target, trials, family).rows
    return {
        trial.workload_id: (2.0 ** float(row[flop]), 2.0 ** float(row[moved]))
        for trial in trials
        if (row := rows.get(trial.trial_id)) is not None
    }
