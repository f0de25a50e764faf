"""The best schedules of a workload when noise is taken seriously: pooled, with intervals, and ties shown as ties."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tunedb.identity import passes_of, schedule_of
from tunedb.query.estimates import Estimate, estimate, tied
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Trial
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Ranked:
    """One schedule: its fastest trial, and what all its trials on that machine say together."""

    trial: Trial
    estimate: Estimate
    tied: bool  # cannot be told from the first of the list


def ranked_best(
    store: StoreReader, workload_id: str, target_id: str, limit: int = 1, conditions: str = DEFAULT_CONDITIONS
) -> list[Ranked]:
    """The `limit` fastest schedules of a workload on a target by pooled estimate, fastest first.

    Trials of one trace on one machine are pooled, whichever log or run they came from; neither machines nor conditions
    are ever mixed.

    Args:
        store: the store that is asked.
        workload_id: the workload whose schedules are ranked.
        target_id: the target that they were measured for.
        limit: how many at most.
        conditions: the conditions that they were measured under.
    """
    fastest = store.schedules(workload_id, target_id, limit, conditions=conditions)
    wanted = {(row.hardware_id, row.trace_id) for row in fastest}
    trials = store.trials_of_traces(workload_id, target_id, sorted({row.trace_id for row in fastest}))
    return ranked(
        trial
        for trial in trials
        if trial.outcome is Outcome.OK and trial.conditions == conditions and schedule_of(trial) in wanted
    )


def ranked(trials: Iterable[Trial]) -> list[Ranked]:
    """The schedules of trials, the fastest first.

    Args:
        trials: good trials of one workload, for one target, under one kind of conditions.
    """
    passes: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        passes[schedule_of(trial)].append(trial)
    pooled = [
        (
            estimate(passes_of(schedule)),
            min(schedule, key=lambda trial: (trial.run_secs_median, trial.trial_id)),
        )
        for schedule in passes.values()
    ]
    pooled.sort(key=lambda pair: (pair[0].secs, pair[1].trial_id))
    return [Ranked(trial, found, tied(found, pooled[0][0])) for found, trial in pooled]
