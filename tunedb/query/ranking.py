"""The best schedules of a workload when noise is taken seriously: pooled, with intervals, and ties shown as ties."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tunedb.identity import trace_id
from tunedb.query.estimates import Estimate, estimate, tied
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Trial
from tunedb.store.contract import StoreReader

_MORE = 8  # a schedule that was lucky once may stand before a better one: look at some more than are asked for


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
    candidates = store.best(workload_id, target_id, limit + _MORE, conditions=conditions)
    wanted = {_schedule(trial) for trial in candidates}
    rounds: dict[tuple[str, str, str], list[Trial]] = defaultdict(list)
    for trial in store.trials_of_traces(workload_id, target_id, sorted({key[2] for key in wanted})):
        if trial.outcome is Outcome.OK and trial.conditions == conditions:
            rounds[_schedule(trial)].append(trial)
    pooled = [
        (estimate([trial.run_secs for trial in trials]), min(trials, key=lambda trial: trial.run_secs_median))
        for trials in rounds.values()
    ]
    pooled.sort(key=lambda pair: (pair[0].secs, pair[1].trial_id))
    return [Ranked(trial, found, tied(found, pooled[0][0])) for found, trial in pooled[:limit]]


def _schedule(trial: Trial) -> tuple[str, str, str]:
    return trial.hardware_id, trial.module_id, trace_id(trial.trace)
