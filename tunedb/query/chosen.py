"""Which trials an export writes."""

from __future__ import annotations

from collections.abc import Iterator

from tunedb.errors import UsageError
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.records import Outcome, Trial
from tunedb.store.contract import StoreReader


def chosen(
    store: StoreReader,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
    *,
    include_failed: bool = True,
) -> Iterator[Trial]:
    """The trials of a store that are asked for; not those that a machine is calibrated with, unless by their workload.

    Args:
        store: the store that they are read from.
        workload_id: the only workload; all by default.
        target_id: the only target; all by default.
        top_k: the number of fastest trials of each workload and target, which have no failed ones; all by default.
        include_failed: whether all includes failed ones.

    Raises:
        UsageError: `top_k` is not positive.
    """
    if top_k is None:
        found = store.trials(workload_id, target_id, None if include_failed else Outcome.OK)
        return (trial for trial in found if workload_id is not None or trial.workload_id not in WORKLOAD_IDS)
    if top_k < 1:
        raise UsageError(f"top_k is {top_k}; it must be at least 1")
    workloads = [workload_id] if workload_id is not None else [row.workload_id for row in store.workloads()]
    targets = [target_id] if target_id is not None else [row.target_id for row in store.targets()]
    return (trial for workload in workloads for target in targets for trial in store.best(workload, target, top_k))
