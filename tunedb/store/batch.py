"""What is appended together: trials, and the few things that they refer to."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import msgspec

from tunedb.errors import UsageError
from tunedb.identity import content_hash, instructions_id, trace_id_of_parts
from tunedb.records import (
    AppendReport,
    Delivery,
    Hardware,
    Module,
    Outcome,
    Rejected,
    Sighting,
    Source,
    Target,
    Trace,
    Trial,
    Verdict,
    Workload,
)
from tunedb.store.schema import BY_NAME, INSTRUCTIONS, TableSchema, TrialRow
from tunedb.traces import join_instructions, split_instructions

_SAME = tuple(column.name for column in fields(Trial) if column.name in TrialRow.__struct_fields__)


@dataclass(slots=True)
class TrialRows:
    """Trials as rows. The shared parts of traces stand once, in `instructions`."""

    rows: list[TrialRow] = field(default_factory=list)
    instructions: dict[str, bytes] = field(default_factory=dict)  # by instructions_id

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> TrialRows:
        """The rows of some trials."""
        found = cls()
        for trial in trials:
            shared, postproc = split_instructions(trial.trace.instructions)
            identity = instructions_id(shared)
            found.instructions.setdefault(identity, shared)
            same = {name: getattr(trial, name) for name in _SAME}
            found.rows.append(
                TrialRow(
                    **{**same, "outcome": trial.outcome.value},
                    trace_id=trace_id_of_parts(identity, postproc, trial.trace.decisions),
                    instructions_id=identity,
                    postproc=postproc,
                    decisions=trial.trace.decisions,
                )
            )
        return found


@dataclass(slots=True)
class TrialColumns:
    """Trials as columns of their table, in pieces: as they are handed from process to process and written."""

    pieces: list[list[list[Any]]] = field(default_factory=list)  # each has a list a field of `TrialRow`, in order
    instructions: dict[str, bytes] = field(default_factory=dict)  # by instructions_id

    def __len__(self) -> int:
        return sum(len(piece[0]) for piece in self.pieces)

    @classmethod
    def of(cls, rows: TrialRows) -> TrialColumns:
        """The columns of some rows, in one piece."""
        columns = [list(column) for column in zip(*map(msgspec.structs.astuple, rows.rows), strict=True)]
        return cls([columns] if columns else [], rows.instructions)

    def extend(self, others: TrialColumns) -> None:
        """Appends others; an interrupt leaves none of a piece out."""
        self.instructions.update(others.instructions)
        self.pieces += others.pieces

    def column(self, name: str) -> list[Any]:
        """One column: a field of `TrialRow`."""
        place = TrialRow.__struct_fields__.index(name)
        return list(itertools.chain.from_iterable(piece[place] for piece in self.pieces))

    def columns(self) -> dict[str, list[Any]]:
        """All columns of the table `trials` but the checksum."""
        columns = {name: self.column(name) for name in TrialRow.__struct_fields__}
        columns["secs_median"] = [_median(run_secs) for run_secs in columns["run_secs"]]
        return columns

    def trials(self) -> list[Trial]:
        """The trials."""
        rows = (TrialRow(*values) for piece in self.pieces for values in zip(*piece, strict=True))
        return [trial_of(row, self.instructions) for row in rows]


def trial_of(row: TrialRow, instructions: Mapping[str, bytes]) -> Trial:
    """A trial from its row, with the shared instructions by their ids."""
    shared = instructions.get(row.instructions_id, b"[]")
    same = {name: getattr(row, name) for name in _SAME}
    same |= {"outcome": Outcome(row.outcome), "run_secs": tuple(row.run_secs)}
    trace = Trace(join_instructions(shared, row.postproc), row.decisions)
    return Trial(**same, trace=trace)


def _median(run_secs: Sequence[float]) -> float | None:
    if len(run_secs) == 1:  # nearly all of a stock log
        return run_secs[0]
    return statistics.median(run_secs) if run_secs else None


@dataclass(slots=True)
class Batch:
    """One append: trials, and what they refer to as far as it may be new to the store."""

    trials: TrialColumns = field(default_factory=TrialColumns)
    workloads: list[Workload] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    hardware: list[Hardware] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)  # of trials that the store has, or that come along
    verdicts: list[Verdict] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)  # that another store has of these sources
    sender: str = ""  # who sent all this over a service; "" where it is the store's keeper's own

    def is_empty(self) -> bool:
        """Whether there is nothing to append."""
        return not any(len(getattr(self, part.name)) for part in fields(self) if part.name != "sender")

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Several batches as one, which no one sent."""
        together = cls()
        for batch in batches:
            together.trials.extend(batch.trials)
            for name in _LISTS:
                getattr(together, name).extend(getattr(batch, name))
        return together


_LISTS = tuple(part.name for part in fields(Batch) if part.name not in ("trials", "sender"))


def deliveries_of(batch: Batch, places: Sequence[int], is_new: Callable[[str], bool], now: datetime) -> list[Delivery]:
    """What is to be noted of who sent a batch: its own deliveries, and those of sources that it adds to.

    Who sends again what the store has adds nothing, and answers for nothing.

    Args:
        batch: the batch.
        places: those of its trials that are new to the store.
        is_new: whether the store lacked a source before the batch.
        now: the time.
    """
    found = list(batch.deliveries)
    if batch.sender:
        sources = batch.trials.column("source_id") if len(batch.trials) else []
        added = {sources[place] for place in places} | {row.source_id for row in batch.sources if is_new(row.source_id)}
        found += [Delivery(source_id, batch.sender, now) for source_id in sorted(added)]
    return found


def check_references(
    table: TableSchema, columns: Mapping[str, Sequence[Any]], keys: Callable[[TableSchema], Collection[str]]
) -> None:
    """Whether what rows of a table refer to is there.

    Args:
        table: the rows' table.
        columns: of the rows, those that refer to something at least.
        keys: gives the keys of a table.

    Raises:
        UsageError: a row refers to what is not there.
    """
    for column, name in table.references.items():
        if name == INSTRUCTIONS.name:  # they come along with the trials
            continue
        missing = set(columns[column]).difference(keys(BY_NAME[name]), {""})  # "": the log had no module
        if missing:
            what = table.name.removesuffix("s")
            raise UsageError(f"a {what} refers to the {column} {min(missing)!r}, which the store does not know")


def sightings_of(batch: Batch, places: Sequence[int]) -> dict[tuple[str, str], Sighting]:
    """Where a batch says that trials were found which the store had already, by trial and source.

    Args:
        batch: the batch.
        places: those of its trials that are new to the store.
    """
    new = set(places)
    told = zip(*(batch.trials.column(name) for name in ("trial_id", "source_id", "position")), strict=True)
    again = [Sighting(*values) for place, values in enumerate(told) if place not in new]
    found: dict[tuple[str, str], Sighting] = {}
    for sighting in (*again, *batch.sightings):
        found.setdefault((sighting.trial_id, sighting.source_id), sighting)
    return found


def append_report(batch: Batch, places: Sequence[int]) -> AppendReport:
    """What appending a batch did, when these of its trials were new."""
    sources, outcomes = batch.trials.column("source_id"), batch.trials.column("outcome")
    added = Counter(sources[place] for place in places)
    failed = Counter(sources[place] for place in places if outcomes[place] != Outcome.OK)
    return AppendReport(
        added=len(places),
        duplicates=len(batch.trials) - len(places),
        failed_trials=failed.total(),
        rejected=tuple(batch.rejected),
        by_source={source: (count, failed[source]) for source, count in added.items()},
    )


def rejected_id(rejected: Rejected) -> str:
    """What identifies a row of `quarantine`: the same bad line, read twice, is quarantined once."""
    return content_hash(rejected.uri, str(rejected.line), rejected.reason, rejected.content)
