"""How far a tuning run is: trials made of those that it may make, and when it will be done at its present pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from search.funnels import kept
from search.pages.surroundings import machine_facts
from service.dashboard.panel import Panel
from tunedb.query.runs import TuningRun
from tunedb.store.contract import Store
from tunedb.units import elapsed

_NEWEST = 64  # trials whose pace counts: batches come and go, and programs get faster
_SILENT_SECS, _SILENT_TRIALS = 120.0, 30  # without a trial for so long, and for the time of so many, a run has ended


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as it stands."""

    trials: int
    most_trials: int | None  # that it may make; None where it does not say
    limit_secs: float | None  # that it may take
    elapsed_secs: float  # until its last trial
    secs_per_trial: float | None  # of the newest; None before the second
    state: str  # "running", "done", "ended"
    left_secs: float | None  # of a run that is running; None where nothing tells
    ends_at: datetime | None

    @property
    def text(self) -> str:
        """As a sentence."""
        of = "" if self.most_trials is None else f" of {self.most_trials:,}"
        made = f"{self.trials:,}{of} {'trial' if (self.most_trials or self.trials) == 1 else 'trials'}"
        if self.state == "done":
            return f"Done: {made} in {elapsed(self.elapsed_secs)}."
        if self.state == "ended":
            return f"{made} in {elapsed(self.elapsed_secs)}; nothing has come since, so it has ended."
        if self.left_secs is None or self.ends_at is None:
            unsaid = "; the run does not say how many it may make" if self.most_trials is None else ""
            return f"{made} so far{unsaid}."
        return f"{made}; about {elapsed(self.left_secs)} left, until {self.ends_at:%H:%M:%S} UTC."


def progress_of(run: TuningRun, now: datetime, *, is_over: bool = False) -> Progress:
    """How far a run is.

    Args:
        run: the run.
        now: the time, with its zone.
        is_over: whether it has said that it is.
    """
    ends = sorted(step.secs for task in run.tasks for step in task.steps)
    newest = ends[-_NEWEST - 1 :]
    pace = (newest[-1] - newest[0]) / (len(newest) - 1) if len(newest) > 1 and newest[-1] > newest[0] else None
    trials, last = run.num_trials, ends[-1] if ends else 0.0
    began = run.source.added_at
    silent = None if began is None or not last else (now - began).total_seconds() - last
    if is_over or (run.most_trials is not None and trials >= run.most_trials):
        state = "done"
    elif silent is None or silent > max(_SILENT_SECS, _SILENT_TRIALS * (pace or 0.0)):
        state = "ended"
    else:
        state = "running"
    left: list[float] = []
    if state == "running" and silent is not None:
        if run.most_trials is not None and pace is not None:
            left.append(max((run.most_trials - trials) * pace - silent, 0.0))
        if run.limit_secs is not None:
            left.append(max(run.limit_secs - last - silent, 0.0))
    ends_at = now + timedelta(seconds=min(left)) if left else None
    left_secs = min(left, default=None)
    return Progress(trials, run.most_trials, run.limit_secs, last, pace, state, left_secs, ends_at)


def panel_of(store: Store, run: TuningRun) -> Panel:
    """How far a run is, as a panel.

    Args:
        store: the store that has it.
        run: the run.

    Raises:
        BadInputError: what is stored of its end is not what was written.
        StoreError: the store cannot be read.
    """
    found = progress_of(run, datetime.now(UTC), is_over=bool(kept(store, run.source.source_id)))
    times = pa.timestamp("us", "UTC")
    table = pa.table(
        {
            "run_id": [run.source.source_id],
            "state": [found.state],
            "trials": [found.trials],
            "most_trials": pa.array([found.most_trials], pa.int64()),
            "failed": [sum(run.failures.values())],
            "elapsed_secs": [found.elapsed_secs],
            "limit_secs": pa.array([found.limit_secs], pa.float64()),
            "trial_secs": pa.array([found.secs_per_trial], pa.float64()),
            "left_secs": pa.array([found.left_secs], pa.float64()),
            "ends_at": pa.array([found.ends_at], times),
        }
    )
    notes = [f"The pace is that of the newest {_NEWEST} trials."] if found.left_secs is not None else []
    notes += [f"{name.capitalize()}: {told}." for name, told in machine_facts(store, run)]
    return Panel("progress", "How far the run is", found.text, table, None, tuple(notes))
