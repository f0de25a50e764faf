"""Trials that are told with their machine, and are stored by the id that they had before the machine was told.

`relabel` leaves a note in the store: which machine, and what the trials had been told with first. By it, a log that is
ingested again with the machine's name is known for what it is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tunedb.identity import trial_id_of_parts
from tunedb.machine.hardware import UNKNOWN
from tunedb.store.batch import TrialColumns
from tunedb.store.delta.known_trials import KnownTrials
from tunedb.store.delta.tables import TableSet
from tunedb.store.schema import TrialRow

PARTS = ("workload_id", "module_id", "target_id", "hardware_id", "trace_id", "run_secs", "outcome", "conditions")
"""What a trial's id is made of, in the order of `tunedb.identity.trial_id_of_parts`."""


class _Note(msgspec.Struct):
    hardware_id: str = ""
    first: tuple[str, ...] = ()


class Relabelled:
    """What the notes of a store say, at the version of its sources that was read last."""

    def __init__(self, tables: TableSet) -> None:
        self._tables = tables
        self._version = -1
        self._first: dict[str, set[str]] = {}  # by machine: those that its trials had been told with

    def as_stored(self, trials: TrialColumns, known: KnownTrials) -> TrialColumns:
        """Trials, those by their stored ids that the store has under their machine but by another id.

        Args:
            trials: the trials of a batch.
            known: which trials the store has.
        """
        self._read()
        if not self._first:
            return trials
        everything = frozenset(self._first).union(*self._first.values())
        columns = {name: trials.column(name) for name in TrialRow.__struct_fields__}
        called: dict[str, tuple[int, str]] = {}  # by the id that a trial may have: its place and its first machine
        told = zip(columns["first_hardware_id"], *(columns[name] for name in PARTS), strict=True)
        for place, (already, workload, module, target, machine, *measured) in enumerate(told):
            if already == UNKNOWN.hardware_id:  # nobody says which machine: it may be any that trials were told with
                firsts: Collection[str] = everything
            else:
                firsts = () if already else self._first.get(machine, ())
            for first in firsts:
                identity = trial_id_of_parts(workload, module, target, first, *measured)
                called[identity] = (place, first)
        if not called:
            return trials
        workloads = [columns["workload_id"][place] for place, _ in called.values()]
        for identity in known.among(list(called), workloads):
            place, first = called[identity]
            columns["trial_id"][place], columns["first_hardware_id"][place] = identity, first
        piece: list[list[Any]] = [columns[name] for name in TrialRow.__struct_fields__]
        return TrialColumns([piece], trials.instructions)

    def _read(self) -> None:
        version = self._tables["sources"].version()
        if version == self._version:
            return
        self._version, self._first = version, {}
        for (detail,) in self._tables.ask("SELECT detail FROM {sources} WHERE format = 'relabel'"):
            try:
                note = msgspec.json.decode(detail, type=_Note)
            except (ValueError, TypeError):
                continue
            self._first.setdefault(note.hardware_id, set()).update(note.first)
