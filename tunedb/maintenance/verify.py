"""Verification of a store: can all of it be read, do references lead somewhere, are contents what their ids say?

Ids are hashes of content, so they are the checksums: a workload's module, a trace and a trial that were changed after
they were written no longer have the id that they stand under.
"""

from __future__ import annotations

from collections import Counter

from tunedb.errors import TunedbError
from tunedb.identity import content_hash, trial_id_of
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.query.calibration import all_workload_ids
from tunedb.records import Outcome
from tunedb.store.contract import Store

_NAMED = 3  # examples of each kind of damage


def verify(store: Store) -> list[str]:
    """Looks through a whole store.

    A table that cannot be read hides what is behind it: repair, then verify again.

    Args:
        store: the store to read.

    Returns:
        What is wrong with it, one sentence each, for people; empty when it is sound.
    """
    found = store.problems()
    if found:
        return found
    try:
        return [*_changed_trials(store), *_changed_modules(store)]
    except TunedbError as error:
        return [str(error)]


def _changed_trials(store: Store) -> list[str]:
    wrong: list[str] = []
    counts: Counter[Outcome] = Counter()
    for trial in store.trials():
        if trial.workload_id not in WORKLOAD_IDS:  # what a machine is calibrated with is not counted as the users'
            counts[trial.outcome] += 1
        if trial_id_of(trial) != trial.trial_id:
            wrong.append(trial.trial_id)
    found = _named("trial", wrong)
    counted = store.stats().outcomes
    # Writers may have added some meanwhile, so more is no damage.
    if any(counted.get(outcome, 0) < count for outcome, count in counts.items()):
        found.append(f"{counts.total()} trials can be read, but {sum(counted.values())} are counted")
    return found


def _changed_modules(store: Store) -> list[str]:
    wrong = [
        row.module_id
        for workload_id in all_workload_ids(store)
        for row in store.modules(workload_id)
        if content_hash("module", row.module_json) != row.module_id
    ]
    return _named("module", wrong)


def _named(what: str, wrong: list[str]) -> list[str]:
    if not wrong:
        return []
    examples = ", ".join(wrong[:_NAMED])
    return [f"{len(wrong)} {what}(s) do not have the content that their hash was made of, such as {examples}"]
