"""Appends to the tables of a store: what trials refer to first, and only what is not there yet."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tunedb.errors import UsageError
from tunedb.records import AppendReport, Delivery, Rejected
from tunedb.store import schema
from tunedb.store.batch import Batch, append_report, check_references, deliveries_of, rejected_id, sightings_of
from tunedb.store.delta import queries
from tunedb.store.delta.guard import appending
from tunedb.store.delta.known_trials import KnownTrials
from tunedb.store.delta.relabelled import Relabelled
from tunedb.store.delta.tables import TableSet
from tunedb.store.schema import TableSchema, columns_of


class Appender:
    """Writes batches. Remembers the keys of the small tables that it has seen, until it sees that some were removed."""

    def __init__(self, tables: TableSet) -> None:
        self._tables = tables
        self._known: dict[str, set[str]] = {}
        self._known_trials = KnownTrials(tables)
        self._relabelled = Relabelled(tables)
        self._source_files: frozenset[str] = frozenset()

    def append_batches(self, batches: Sequence[Batch]) -> list[AppendReport]:
        """Adds what is not there yet; see `tunedb.store.contract.StoreWriter.append_batches`.

        All trials come in one commit. Who sent them is committed before them.
        """
        batch = Batch.joined(batches) if len(batches) != 1 else batches[0]
        with self._tables.lock, appending(self._tables.url):
            self._notice_removals()
            self._append_new(schema.HARDWARE, batch.hardware)
            self._append_new(schema.TARGETS, batch.targets)
            self._append_new(schema.WORKLOADS, batch.workloads)
            self._check_references(schema.MODULES, columns_of(batch.modules, ["workload_id"]))
            self._append_new(schema.MODULES, batch.modules)
            now = datetime.now(UTC)
            lacked = {row.source_id for row in batch.sources}
            if lacked and any(one.sender for one in batches):
                lacked -= self._known_keys(schema.SOURCES)
            dated = [row if row.added_at else dataclasses.replace(row, added_at=now) for row in batch.sources]
            self._append_new(schema.SOURCES, dated)
            self._source_files = frozenset(self._tables["sources"].files())
            self._append_rejected(batch.rejected, now)
            trials = batch.trials
            places: list[int] = []
            if len(trials):
                trials = self._relabelled.as_stored(trials, self._known_trials)
                batch = dataclasses.replace(batch, trials=trials)
                columns = trials.columns()
                self._check_references(schema.TRIALS, columns)
                self._append_instructions(trials.instructions)
                places = self._new_places(columns["trial_id"], columns["workload_id"])
                parts = list(_parts(batches, places))
                self._append_deliveries(
                    [row for one, own in parts for row in deliveries_of(one, own, lacked.__contains__, now)]
                )
                if len(places) < len(trials):
                    columns = {name: [column[place] for place in places] for name, column in columns.items()}
                if places:
                    theirs = self._tables.append("trials", columns, self._tables.versions())
                    kept = zip(places, columns["trial_id"], strict=True)
                    places = [place for place, identity in kept if identity not in theirs]  # what this commit brought
            else:
                self._append_deliveries(
                    [row for one in batches for row in deliveries_of(one, (), lacked.__contains__, now)]
                )
            self._append_sightings(batch, places)
            self._append_new(schema.VERDICTS, batch.verdicts)
            return [append_report(one, own) for one, own in _parts(batches, places)]

    def _notice_removals(self) -> None:
        """Forgets what was removed: who takes rows out of a store rewrites its sources at the end."""
        self._tables["sources"].refresh()
        files = frozenset(self._tables["sources"].files())
        if not self._source_files <= files:
            self._known.clear()

    def _append_new(self, table: TableSchema, records: Sequence[Any]) -> None:
        known = self._known_keys(table) if records else set()
        new = {key: row for row in records if (key := getattr(row, table.key)) not in known}
        if new:
            self._tables.append(table.name, columns_of(new.values(), list(table.told())))
            known.update(new)

    def _append_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        table = schema.DELIVERIES
        if table.name not in self._known:
            self._tables[table.name].refresh()
            rows = self._tables.ask("SELECT DISTINCT source_id, sender FROM {deliveries}")
            self._known[table.name] = {"|".join(row) for row in rows}
        known = self._known[table.name]
        new = {key: row for row in deliveries if (key := f"{row.source_id}|{row.sender}") not in known}
        if new:
            self._tables.append(table.name, columns_of(new.values(), list(table.told())))
            known.update(new)

    def _append_instructions(self, instructions: dict[str, bytes]) -> None:
        known = self._known_keys(schema.INSTRUCTIONS)
        new = {key: shared for key, shared in instructions.items() if key not in known}
        if new:
            self._tables.append("instructions", {"instructions_id": list(new), "instructions": list(new.values())})
            known.update(new)

    def _append_rejected(self, rejected: Sequence[Rejected], now: datetime) -> None:
        if not rejected:
            return
        by_id = {rejected_id(row): row for row in rejected}
        self._tables["quarantine"].refresh()
        ids = pa.table({"rejected_id": list(by_id)})
        question = "SELECT rejected_id FROM {quarantine} SEMI JOIN new_ids USING (rejected_id)"
        known = {row[0] for row in self._tables.ask(question, new_ids=ids)}
        new = {key: row for key, row in by_id.items() if key not in known}
        if new:
            columns = columns_of(new.values(), [field.name for field in dataclasses.fields(Rejected)])
            self._tables.append("quarantine", {"rejected_id": list(new), **columns, "added_at": [now] * len(new)})

    def _append_sightings(self, batch: Batch, places: Sequence[int]) -> None:
        """Adds the other sources of trials that are stored already. They come last: a trial may be without them."""
        found = sightings_of(batch, places)
        if not found:
            return
        self._check_references(schema.SIGHTINGS, columns_of(found.values(), ["source_id"]))
        self._tables.refresh("trials", "sightings")
        pairs = pa.table({"trial_id": [key[0] for key in found], "source_id": [key[1] for key in found]})
        workloads = batch.trials.column("workload_id")
        bounds = {} if batch.sightings else {"workload_id": (min(workloads), max(workloads))}
        for known in self._tables.ask(queries.KNOWN_SIGHTINGS, new_ids=pairs, bounds=bounds):
            found.pop(known, None)
        if found:
            self._tables.append("sightings", columns_of(found.values(), list(schema.SIGHTINGS.told())))

    def _new_places(self, trial_ids: Sequence[str], workload_ids: Sequence[str]) -> list[int]:
        """The places of trials that are not in the store yet; of equal ones the first."""
        known = self._known_trials.among(trial_ids, workload_ids)
        places = []
        for place, identity in enumerate(trial_ids):
            if identity not in known:
                known.add(identity)
                places.append(place)
        return places

    def _check_references(self, table: TableSchema, columns: Mapping[str, Sequence[Any]]) -> None:
        try:
            check_references(table, columns, self._known_keys)
        except UsageError:  # another process may have added what is missing
            for name in set(table.references.values()):
                self._known.pop(name, None)
            check_references(table, columns, self._known_keys)

    def _known_keys(self, table: TableSchema) -> set[str]:
        """The keys of a small table, as far as they were seen."""
        known = self._known.get(table.name)
        if known is None:
            self._tables[table.name].refresh()
            known = {row[0] for row in self._tables.ask(f"SELECT DISTINCT {table.key} FROM {{{table.name}}}")}
            self._known[table.name] = known
        return known


def _parts(batches: Sequence[Batch], places: Sequence[int]) -> Iterator[tuple[Batch, list[int]]]:
    """Each of some batches, and which of its own trials are among those at some places of all of them, in order."""
    ends = list(itertools.accumulate(len(batch.trials) for batch in batches))
    for batch, end in zip(batches, ends, strict=True):
        begin = end - len(batch.trials)
        yield batch, [place - begin for place in places if begin <= place < end]
