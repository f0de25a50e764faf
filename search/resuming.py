"""A run that was interrupted goes on: the same command measures what is left of its trials.

A run's source says what it set out to do. Trials of such a source are in the store, however the run ended; while they
are fewer than it was to measure, another run that sets out to do the same does the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from search.options import TuneOptions
from search.task import Task
from tunedb.identity import content_hash
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Target
from tunedb.store.contract import StoreReader

_KEY = "errand"


def errand_of(workloads: Sequence[tuple[str, float]], options: TuneOptions, target: Target) -> str:
    """What tells a run from others that set out to do something else.

    Args:
        workloads: What it tunes: the id of each task's workload, and the task's weight.
        options: How.
        target: What it tunes for.
    """
    asked = [options.strategy_name, options.trials, options.seed, options.use_prior, options.conditions]
    return content_hash(json.dumps([asked, target.target_id, sorted(workloads)]))


def trials_done(
    store: StoreReader, errand: str, workload_ids: Iterable[str], target: Target, total: int
) -> Counter[str]:
    """How many trials of an interrupted run with an errand are in a store; none where it was finished, or never begun.

    Args:
        store: The store.
        errand: The run's.
        workload_ids: What it tunes.
        target: What it tunes for.
        total: How many trials it was to measure.

    Returns:
        Their number by workload id.
    """
    done: dict[str, Counter[str]] = {
        source.source_id: Counter() for source in store.sources() if _errand(source.detail) == errand
    }
    if not done:
        return Counter()
    for workload_id in set(workload_ids):
        for trial in store.trials(workload_id, target.target_id):
            if trial.source_id in done:
                done[trial.source_id][workload_id] += 1
    together: Counter[str] = Counter()
    for of_source in done.values():  # the oldest first
        together += of_source
        if together.total() >= total:  # that one was finished: it measured its fastest again, too
            together = Counter()
    return together


def less_done(tasks: Sequence[Task], done: Mapping[str, int]) -> list[Task]:
    """Tasks whose trials of their own are fewer by those that an interrupted run made of them.

    Args:
        tasks: The tasks.
        done: The number of those by workload id.
    """

    def made(task: Task) -> int:
        return done.get(workload_from_module(task.mod)[0].workload_id, 0)

    return [task if task.trials is None else replace(task, trials=max(task.trials - made(task), 0)) for task in tasks]


def with_errand(detail: dict[str, object], errand: str) -> dict[str, object]:
    """A source's detail that says what its run set out to do."""
    return {**detail, _KEY: errand}


def _errand(detail: str) -> str:
    try:
        found = json.loads(detail)
    except ValueError:
        return ""
    return str(found.get(_KEY, "")) if isinstance(found, dict) else ""
