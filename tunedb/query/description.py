"""Everything that is known of a workload or of one record: what `tunedb show` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tunedb.errors import AmbiguousPrefixError, NotFoundError
from tunedb.identity import trace_id
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.program.releases import release_order
from tunedb.query.comparison import Compared, compare
from tunedb.query.verdicts import standing_verdicts
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Source, Target, Trial, Verdict, WorkloadSummary
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class WorkloadDescription:
    """A workload: its modules, and its best on each target and machine."""

    summary: WorkloadSummary
    signature: str  # canonical JSON of what it computes; "" when unknown
    modules: tuple[Module, ...]  # the newest TVM release first
    compared: tuple[Compared, ...]  # the fastest first
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # that hold of these, by `record_id`


@dataclass(frozen=True, slots=True)
class RecordDescription:
    """A record: what was measured, of what, where, and where that is known from."""

    trial: Trial
    workload: WorkloadSummary
    target: Target
    hardware: Hardware
    source: Source
    verdict: Verdict | None = None  # of its schedule, that holds; None where nothing is known of its numbers


def describe(store: StoreReader, prefix: str) -> WorkloadDescription | RecordDescription:
    """What is meant, and all of it; a workload wins where both a workload and a record fit.

    Args:
        store: the store that is asked.
        prefix: the beginning of a workload's hash, ours or TVM's, or of a record's.

    Raises:
        NotFoundError: neither a workload nor a record is meant.
        AmbiguousPrefixError: several are.
    """
    try:
        summary = store.resolve_workload(prefix)
    except AmbiguousPrefixError:
        raise
    except NotFoundError:
        return _record(store, prefix)
    compared = tuple(compare(store, [summary.workload_id]))
    return WorkloadDescription(
        summary,
        store.workload(summary.workload_id).signature,
        tuple(store.modules(summary.workload_id)),
        compared,
        _verdicts(store, compared),
    )


def _verdicts(store: StoreReader, compared: tuple[Compared, ...]) -> dict[str, Verdict]:
    """The verdicts of records, by their ids, of those that have one."""
    found = {}
    for row in compared:
        verdicts = standing_verdicts(store, row.workload_id, row.target.target_id)
        if verdicts and row.record_id is not None:
            verdict = verdicts.get(trace_id(store.trial(row.record_id).trace))
            if verdict is not None:
                found[row.record_id] = verdict
    return found


def _source(store: StoreReader, source_id: str) -> Source:
    """A trial's source; one that is taken back at this moment is known by its id only."""
    found = (row for row in store.sources() if row.source_id == source_id)
    return next(found, Source(source_id, "a source that was removed", ""))


def _workload(store: StoreReader, workload_id: str) -> WorkloadSummary:
    """A record's workload; no list of workloads has the reference kernels."""
    if workload_id not in WORKLOAD_IDS:
        return store.resolve_workload(workload_id)
    told, modules = store.workload(workload_id), store.modules(workload_id)
    pools = store.pool_summaries([workload_id])
    good = [row.best_secs for row in pools if row.best_secs is not None and row.conditions == DEFAULT_CONDITIONS]
    return WorkloadSummary(
        workload_id,
        told.name,
        told.family,
        told.epilogue,
        told.extents,
        tuple(sorted({row.structural_hash for row in modules} - {""})),
        tuple(sorted({row.tvm_version for row in modules} - {""}, key=release_order)),
        sum(row.num_trials for row in pools),
        sum(row.num_failed for row in pools),
        len({row.target_id for row in pools}),
        min(good, default=None),
    )


def _record(store: StoreReader, prefix: str) -> RecordDescription:
    try:
        trial = store.trial(prefix)
    except AmbiguousPrefixError:
        raise
    except NotFoundError as error:
        raise NotFoundError(
            f"no workload and no record whose hash begins with {prefix!r}", kind="record", asked=prefix
        ) from error
    return RecordDescription(
        trial,
        _workload(store, trial.workload_id),
        next(row for row in store.targets() if row.target_id == trial.target_id),
        next(row for row in store.hardware() if row.hardware_id == trial.hardware_id),
        _source(store, trial.source_id),
        standing_verdicts(store, trial.workload_id, trial.target_id).get(trace_id(trial.trace)),
    )
