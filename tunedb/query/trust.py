"""Whom the measurements of a schedule came from: what others sent is foreign until somebody else has measured it too.

A source without a delivery is the keeper's own, and one that only the reader sent is the reader's. All others are
foreign to the reader. A schedule is foreign as long as all its good trials for a target are, and came from one sender.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tunedb.identity import trace_id
from tunedb.query.ranking import Ranked, ranked
from tunedb.records import Outcome, Trial
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Trust:
    """Who sent a store's sources, to one reader."""

    senders: Mapping[str, frozenset[str]]  # by source, of those that were sent
    reader: str = ""  # the reader's own name as a sender; "" of the store's keeper

    @classmethod
    def of(cls, store: StoreReader, reader: str | None = None) -> Trust:
        """Who sent what of a store.

        Args:
            store: the store.
            reader: who asks; None is who the store says.
        """
        found: dict[str, set[str]] = defaultdict(set)
        for row in store.deliveries():
            found[row.source_id].add(row.sender)
        told = {source_id: frozenset(senders) for source_id, senders in found.items()}
        return cls(told, store.reader if reader is None else reader)

    def others(self, trial: Trial) -> frozenset[str]:
        """Who sent a trial, of those who are not the reader; nobody where it is the reader's or the keeper's."""
        return self.senders.get(trial.source_id, frozenset()) - {self.reader}

    def is_foreign(self, trials: Iterable[Trial]) -> bool:
        """Whether nobody but one sender has measured a schedule.

        Args:
            trials: its good trials for one target, on whatever machine and under whatever conditions.
        """
        senders = {self.others(trial) for trial in trials}
        return frozenset() not in senders and not any(one.isdisjoint(other) for one in senders for other in senders)


def foreign_traces(
    store: StoreReader, trust: Trust, workload_id: str, target_id: str, traces: Iterable[str]
) -> set[str]:
    """Those of some traces that are foreign.

    Args:
        store: the store that is asked.
        trust: who sent what of it.
        workload_id: the traces' workload.
        target_id: the target that they were measured for.
        traces: their ids.
    """
    if not trust.senders:
        return set()
    measured: dict[str, list[Trial]] = defaultdict(list)
    for trial in store.trials_of_traces(workload_id, target_id, sorted(set(traces))):
        if trial.outcome is Outcome.OK:
            measured[trace_id(trial.trace)].append(trial)
    return {trace for trace, trials in measured.items() if trust.is_foreign(trials)}


def trusted_best(store: StoreReader, trust: Trust, workload_id: str, target_id: str, conditions: str) -> list[Ranked]:
    """The schedules of a workload that are not foreign, the fastest first, by measurements that are not.

    What a sender says of a schedule that the reader or the keeper has measured does not count; of one that several
    senders have measured, all of it does.

    Args:
        store: the store that is asked.
        trust: who sent what of it.
        workload_id: the workload.
        target_id: the target.
        conditions: the conditions of measurement.
    """
    measured: dict[str, list[Trial]] = defaultdict(list)
    for trial in store.trials(workload_id, target_id, Outcome.OK):
        measured[trace_id(trial.trace)].append(trial)
    counted: list[Trial] = []
    for trials in measured.values():
        if not trust.is_foreign(trials):
            own = [trial for trial in trials if not trust.others(trial)]
            counted += own or trials
    return ranked(trial for trial in counted if trial.conditions == conditions)
