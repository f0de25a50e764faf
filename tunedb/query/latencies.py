"""The latency that each trial counts with: that of its schedule, as all its passes have it by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tunedb.identity import passes_of, schedule_of
from tunedb.query.estimates import estimate
from tunedb.records import Outcome, Trial


def latencies(trials: Iterable[Trial]) -> dict[str, float]:
    """The latency in seconds of each good trial's schedule, by the trial's id.

    Args:
        trials: All trials of the schedules that are asked for, whatever their sources: those of one schedule on one
            machine, for one target and under one kind of conditions are pooled.
    """
    passes: dict[tuple[str, ...], list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.outcome is Outcome.OK:
            passes[trial.workload_id, trial.target_id, trial.conditions, *schedule_of(trial)].append(trial)
    return {
        trial.trial_id: pooled.secs
        for schedule in passes.values()
        for pooled in [estimate(passes_of(schedule))]
        for trial in schedule
    }
