"""From the beginning of a record's hash to the record. Workloads and targets are found by `tunedb.store.resolve`."""

from __future__ import annotations

import string

from tunedb.errors import AmbiguousPrefixError, NotFoundError
from tunedb.query.sql import run_sql
from tunedb.records import Trial
from tunedb.store.contract import Store

_SHOWN = 8


def find_trial(store: Store, prefix: str) -> Trial:
    """The trial whose id begins with `prefix`.

    Raises:
        NotFoundError: none does.
        AmbiguousPrefixError: more than one does; the message lists some.
    """
    wanted = prefix.strip().lower()
    if not wanted or not set(wanted) <= set(string.hexdigits):
        raise NotFoundError(f"no record whose hash begins with {prefix!r}")
    found = run_sql(
        store,
        "SELECT trial_id, workload_id, target_id, trace_id FROM trials "
        f"WHERE starts_with(trial_id, '{wanted}') ORDER BY trial_id LIMIT {_SHOWN + 1}",
    ).rows
    if not found:
        raise NotFoundError(f"no record whose hash begins with {prefix!r}")
    if len(found) > 1 and found[0][0] != wanted:
        listed = ", ".join(row[0] for row in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise AmbiguousPrefixError(f"{prefix!r} fits several records: {listed}")
    trial_id, workload_id, target_id, trace_id = found[0]
    trials = store.trials_of_traces(workload_id, target_id, [trace_id])
    return next(trial for trial in trials if trial.trial_id == trial_id)
