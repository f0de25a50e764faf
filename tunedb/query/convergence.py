"""How a workload's best latency fell, trial by trial: what `tunedb history` shows.

A trial counts with the latency of its schedule as all its passes have it by now, so that the last figure is that of
`tunedb best`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from tunedb.query.latencies import latencies
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Outcome, Source, Target, Trial, WorkloadSummary
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Improvement:
    """A trial that was faster than all before it in its source."""

    number: int  # of the source's trials of the workload, from 1
    secs: float  # the latency of its schedule (`tunedb.query.estimates`)
    median_secs: float  # the trial's own
    trial_id: str


@dataclass(frozen=True, slots=True)
class History:
    """One source's trials of a workload on one target and machine, under one kind of conditions, in order."""

    source: Source
    target: Target
    hardware: Hardware
    num_trials: int
    num_failed: int
    improvements: tuple[Improvement, ...]
    conditions: str = DEFAULT_CONDITIONS

    def best_after(self, number: int) -> float | None:
        """The best latency in seconds after so many trials; None while all failed."""
        reached = [step.secs for step in self.improvements if step.number <= number]
        return reached[-1] if reached else None


@dataclass(frozen=True, slots=True)
class Convergence:
    """A workload, and its histories."""

    workload: WorkloadSummary
    histories: tuple[History, ...]  # the oldest source first


def convergence(store: StoreReader, prefix: str, target: str | None = None) -> Convergence:
    """Best so far against trials, for each source, target, machine and kind of conditions.

    Args:
        store: the store that is asked.
        prefix: the beginning of the workload's hash, ours or TVM's.
        target: what the one target that is meant is called, as `Store.resolve_target` understands it; None takes all.

    Raises:
        NotFoundError: there is no such workload or target.
        AmbiguousPrefixError: more than one workload or target is meant.
    """
    workload = store.resolve_workload(prefix)
    only = None if target is None else store.resolve_target(target).target_id
    groups: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in store.trials(workload.workload_id, only):
        key = (trial.source_id, trial.target_id, trial.hardware_id, trial.conditions)
        groups.setdefault(key, []).append(trial)
    sources = {row.source_id: row for row in store.sources()}
    targets = {row.target_id: row for row in store.targets()}
    hardware = {row.hardware_id: row for row in store.hardware()}
    order = {source_id: place for place, source_id in enumerate(sources)}
    secs = latencies(chain.from_iterable(groups.values()))
    histories = [
        _history(sources[source_id], targets[target_id], hardware[hardware_id], conditions, trials, secs)
        for (source_id, target_id, hardware_id, conditions), trials in sorted(
            groups.items(), key=lambda item: order.get(item[0][0], 0)
        )
        if source_id in sources  # else it is taken back at this moment
    ]
    return Convergence(workload, tuple(histories))


def _history(
    source: Source,
    target: Target,
    hardware: Hardware,
    conditions: str,
    trials: Sequence[Trial],
    known: Mapping[str, float],
) -> History:
    steps: list[Improvement] = []
    in_order = sorted(trials, key=lambda trial: (trial.position, trial.trial_id))
    for number, trial in enumerate(in_order, start=1):
        secs = known.get(trial.trial_id)  # None of one that failed
        if secs is not None and (not steps or secs < steps[-1].secs):
            steps.append(Improvement(number, secs, trial.run_secs_median, trial.trial_id))
    failed = sum(trial.outcome is not Outcome.OK for trial in trials)
    return History(source, target, hardware, len(trials), failed, tuple(steps), conditions)
