"""How a workload's best latency fell, trial by trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tunedb.records import DEFAULT_CONDITIONS, Outcome, Source, Trial


@dataclass(frozen=True, slots=True)
class Improvement:
    """A trial that was faster than all before it in its source."""

    number: int  # of the source's trials of the workload, from 1
    secs: float
    trial_id: str


@dataclass(frozen=True, slots=True)
class History:
    """One source's trials of a workload on one target, in order."""

    source: Source
    target_id: str
    hardware_id: str
    num_trials: int
    num_failed: int
    improvements: tuple[Improvement, ...]
    conditions: str = DEFAULT_CONDITIONS

    def best_after(self, number: int) -> float | None:
        """The best latency in seconds after so many trials; None while all failed."""
        reached = [step.secs for step in self.improvements if step.number <= number]
        return reached[-1] if reached else None


def histories(trials: Iterable[Trial], sources: Mapping[str, Source]) -> list[History]:
    """Best so far against trials, for each source, target, machine and kind of conditions; oldest source first.

    Args:
        trials: a workload's trials in any order.
        sources: by source id, all that the trials refer to.
    """
    groups: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in trials:
        key = (trial.source_id, trial.target_id, trial.hardware_id, trial.conditions)
        groups.setdefault(key, []).append(trial)
    order = {source_id: place for place, source_id in enumerate(sources)}
    found = []
    for (source_id, target_id, hardware_id, conditions), group in sorted(
        groups.items(), key=lambda item: order[item[0][0]]
    ):
        group.sort(key=lambda trial: (trial.position, trial.trial_id))
        steps: list[Improvement] = []
        for number, trial in enumerate(group, start=1):
            if trial.outcome is Outcome.OK and (not steps or trial.run_secs_median < steps[-1].secs):
                steps.append(Improvement(number, trial.run_secs_median, trial.trial_id))
        failed = sum(trial.outcome is not Outcome.OK for trial in group)
        found.append(History(sources[source_id], target_id, hardware_id, len(group), failed, tuple(steps), conditions))
    return found
