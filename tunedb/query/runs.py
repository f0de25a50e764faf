"""Tuning runs of a store: which there are, what each set out to do, and what it measured, trial by trial.

A run is a source of the format "tune". A trial counts with the latency of its schedule as all its passes have it by
now, as in `tunedb.query.convergence`; a schedule that a run measures again is no further trial.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tunedb.errors import AmbiguousPrefixError, NotFoundError
from tunedb.identity import schedule_of
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.query.latencies import latencies
from tunedb.records import Hardware, Outcome, Source, Target, Trial
from tunedb.store.contract import StoreReader

LAST = "last"
_FORMAT, _SCHEME = "tune", "tune:"
_SHOWN = 5  # of the runs that a prefix fits


@dataclass(frozen=True, slots=True)
class Step:
    """A trial of a run."""

    number: int  # in the run, from 1
    secs: float  # from the run's start until it was measured
    latency_secs: float | None  # of its schedule (`tunedb.query.estimates`); None for one that failed
    trial: Trial


@dataclass(frozen=True, slots=True)
class RunTask:
    """What a run measured of one workload."""

    workload_id: str
    name: str
    weight: float | None  # how often the network calls it; None where the run does not say
    steps: tuple[Step, ...]
    num_before: int  # trials of it, for this target, that the store had before
    before_secs: float | None  # the best latency among them on this machine; None where there was none

    @property
    def best_secs(self) -> float | None:
        """The best latency that the run found; None while all failed."""
        return min((step.latency_secs for step in self.steps if step.latency_secs is not None), default=None)


@dataclass(frozen=True, slots=True)
class TuningRun:
    """A run, and its trials."""

    source: Source
    detail: Mapping[str, Any]  # what it says of itself: strategy, seed, prior, tvm_version
    target: Target
    hardware: Hardware
    conditions: str
    tasks: tuple[RunTask, ...]  # those with the most trials first
    num_repeats: int  # further measurements of the fastest schedules
    failures: Mapping[Outcome, int]
    num_tasks: int  # that it set out to tune, those without a trial among them, as far as it says

    @property
    def name(self) -> str:
        """The run's id in short, for people."""
        return self.source.uri.removeprefix(_SCHEME)[:8]

    @property
    def num_trials(self) -> int:
        """Trials, failed ones too."""
        return sum(len(task.steps) for task in self.tasks)

    @property
    def most_trials(self) -> int | None:
        """Trials that it may make; None where it does not say."""
        told = self.detail.get("trials")
        return told if isinstance(told, int) and told > 0 else None

    @property
    def limit_secs(self) -> float | None:
        """Seconds that it may take; None where it does not say."""
        told = self.detail.get("limit_secs")
        return float(told) if isinstance(told, int | float) and told > 0 else None

    @property
    def elapsed_secs(self) -> float:
        """From the run's start to its last trial."""
        return max((step.secs for task in self.tasks for step in task.steps), default=0.0)


def tuning_runs(store: StoreReader) -> list[Source]:
    """The tuning runs of a store, oldest first."""
    return [source for source in store.sources() if source.format == _FORMAT and source.uri.startswith(_SCHEME)]


def resolve_run(store: StoreReader, text: str) -> Source:
    """The run that a person means.

    Args:
        store: The store that has it.
        text: The beginning of its uri ("tune:5f3a"), of what follows there, or of its source's id; or "last".

    Raises:
        NotFoundError: There is no such run.
        AmbiguousPrefixError: More than one is meant.
    """
    runs = tuning_runs(store)
    if text == LAST and runs:
        return runs[-1]
    prefix = text.removeprefix(_SCHEME).lower()
    found = [
        run
        for run in runs
        if prefix and (run.uri.removeprefix(_SCHEME).startswith(prefix) or run.source_id.startswith(prefix))
    ]
    if not found:
        said = f"no tuning run begins with {text!r}" if runs else "the store has no tuning run"
        hint = "`tunedb sql \"SELECT uri, detail FROM sources WHERE format = 'tune'\"` lists them"
        raise NotFoundError(f"{said}; {hint}", kind="run", asked=text)
    if len(found) > 1:
        uris = [run.uri for run in found]
        told = ", ".join(uris[:_SHOWN]) + (", ..." if len(uris) > _SHOWN else "")
        raise AmbiguousPrefixError(
            f"{text!r} fits {len(uris)} tuning runs: {told}", kind="run", asked=text, matches=uris
        )
    return found[0]


def read_run(store: StoreReader, source: Source, workload_ids: Iterable[str] | None = None) -> TuningRun:
    """What a run measured.

    Args:
        store: The store that has it.
        source: The run.
        workload_ids: Of its trials, where somebody knows them; None asks all trials of the store.

    Raises:
        NotFoundError: Nothing of it is stored: it measured nothing, or another source brought its trials before.
    """
    if workload_ids is None:
        query = f"SELECT DISTINCT workload_id FROM trials WHERE source_id = {_quoted(source.source_id)}"
        workload_ids = [row[0] for row in store.sql(query).rows]
    ids = sorted(set(workload_ids) - WORKLOAD_IDS)
    by_workload = {workload_id: list(store.trials(workload_id)) for workload_id in ids}
    own = [trial for trials in by_workload.values() for trial in trials if trial.source_id == source.source_id]
    if not own:
        raise NotFoundError(f"the run {source.uri} has no trials in the store", kind="run", asked=source.uri)
    first = min(own, key=lambda trial: trial.position)
    detail = _detail(source)
    started = source.added_at or min((one.measured_at for one in own if one.measured_at is not None), default=None)
    order = {row.source_id: place for place, row in enumerate(store.sources())}
    measured, repeats = _without_repeats(own)
    numbers = {trial.trial_id: number for number, trial in enumerate(measured, start=1)}
    told_weights = detail.get("weights")
    weights = told_weights if isinstance(told_weights, dict) else {}
    listed = ", ".join(map(_quoted, ids))
    names = dict(store.sql(f"SELECT workload_id, name FROM workloads WHERE workload_id IN ({listed})").rows)
    tasks = []
    for workload_id, trials in by_workload.items():
        alike = [one for one in trials if one.target_id == first.target_id and one.conditions == first.conditions]
        known = latencies(alike)
        before = [one for one in alike if order.get(one.source_id, 0) < order.get(source.source_id, 0)]
        steps = [
            Step(numbers[one.trial_id], _since(started, one), known.get(one.trial_id), one)
            for one in measured
            if one.workload_id == workload_id
        ]
        best_before = min(
            (known[one.trial_id] for one in before if one.trial_id in known and one.hardware_id == first.hardware_id),
            default=None,
        )
        weight = weights.get(workload_id)
        told = float(weight) if isinstance(weight, int | float) else (1.0 if len(ids) == 1 else None)
        tasks.append(
            RunTask(workload_id, names.get(workload_id, workload_id), told, tuple(steps), len(before), best_before)
        )
    tasks.sort(key=lambda task: (-len(task.steps), task.name))
    return TuningRun(
        source,
        detail,
        next(row for row in store.targets() if row.target_id == first.target_id),
        next(row for row in store.hardware() if row.hardware_id == first.hardware_id),
        first.conditions,
        tuple(tasks),
        repeats,
        Counter(trial.outcome for trial in measured if trial.outcome is not Outcome.OK),
        max(len(weights), len(tasks)),
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_repeats(trials: Iterable[Trial]) -> tuple[list[Trial], int]:
    """A run's trials in order, each schedule once; and how many further measurements of them there are."""
    first: dict[tuple[str, ...], Trial] = {}
    number = 0
    for trial in sorted(trials, key=lambda one: (one.position, one.trial_id)):
        number += 1
        first.setdefault((trial.workload_id, *schedule_of(trial)), trial)
    return list(first.values()), number - len(first)


def _since(started: datetime | None, trial: Trial) -> float:
    """Seconds from a run's start to a trial; 0 where the store has no times."""
    if started is None or trial.measured_at is None:
        return 0.0
    return max(0.0, (trial.measured_at - started).total_seconds())


def _detail(source: Source) -> Mapping[str, Any]:
    try:
        found = json.loads(source.detail)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
