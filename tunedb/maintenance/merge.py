"""Merging of stores: everything of one goes into another, with where it came from.

All is identified by content, so what both have is there once, and merging again adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from tunedb.query.calibration import all_workload_ids
from tunedb.records import AppendReport, Module, Rejected, Sighting
from tunedb.store import schema
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.contract import Store

_Row = TypeVar("_Row")
_BATCH = 4_000  # trials: bounds memory, and one commit each
_MODULES = 256  # of up to some 100 KB


def merge(into: Store, other: Store) -> AppendReport:
    """Adds all of `other` to `into`: modules, targets, machines, sources, trials, verdicts, and rejected input.

    What trials refer to goes first, so that a merge that is interrupted leaves a sound store; do it again to finish.
    A trial that both have keeps the source that `into` gives it, and its other sources become sightings.

    Args:
        into: the store that is added to.
        other: the store that is read; it stays as it is.

    Returns:
        What was added; `rejected` is what `other` had in quarantine.

    Raises:
        StoreError: one of them cannot be read, or `into` cannot be written.
    """
    around = Batch(
        workloads=[other.workload(identity) for identity in all_workload_ids(other)],
        targets=other.targets(),
        hardware=other.hardware(),
        sources=other.sources(),
        rejected=list(other.rejected()),
    )
    into.append_batch(around)
    for modules in _batches(_modules(other), _MODULES):
        into.append_batch(Batch(modules=modules))
    added = duplicates = failed = 0
    by_source: dict[str, tuple[int, int]] = {}
    for trials in _batches(other.trials(), _BATCH):
        report = into.append_batch(Batch(TrialColumns.of(TrialRows.of(trials))))
        added += report.added
        duplicates += report.duplicates
        failed += report.failed_trials
        for source_id, (new, new_failed) in report.by_source.items():
            before = by_source.get(source_id, (0, 0))
            by_source[source_id] = (before[0] + new, before[1] + new_failed)
    with other.table("sightings") as rows:
        for batch in rows:
            told = zip(*(batch.column(name).to_pylist() for name in schema.SIGHTINGS.told()), strict=True)
            into.append_batch(Batch(sightings=[Sighting(*values) for values in told]))
    if deliveries := other.deliveries():
        into.append_batch(Batch(deliveries=deliveries))
    for verdicts in _batches(other.verdicts(), _BATCH):
        into.append_verdicts(verdicts)
    rejected: tuple[Rejected, ...] = tuple(around.rejected)
    return AppendReport(added, duplicates, failed, rejected, by_source)


def _modules(store: Store) -> Iterator[Module]:
    for workload_id in all_workload_ids(store):
        yield from store.modules(workload_id)


def _batches(rows: Iterable[_Row], size: int) -> Iterator[list[_Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, size)):
        yield batch
