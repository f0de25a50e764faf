"""Appends to the tables of a store: what trials refer to first, and only what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tunedb.errors import UsageError
from tunedb.records import AppendReport, Rejected
from tunedb.store import schema
from tunedb.store.columns import Batch, TrialColumns, append_report
from tunedb.store.delta.known_trials import KnownTrials
from tunedb.store.delta.tables import TableSet
from tunedb.store.rows import (
    columns_of,
    rejected_columns,
    rejected_id,
    row_key,
    source_columns,
    trial_columns,
    workload_columns,
)


class Appender:
    """Writes batches. Remembers the keys of the small tables that it has seen: rows are never removed."""

    def __init__(self, tables: TableSet) -> None:
        self._tables = tables
        self._known: dict[str, set[str]] = {}
        self._known_trials = KnownTrials(tables)

    def append_batch(self, batch: Batch) -> AppendReport:
        """See `tunedb.store.contract.Store.append_batch`."""
        with self._tables.lock:
            self._append_new(schema.HARDWARE, {row.hardware_id: row for row in batch.hardware})
            self._append_new(schema.TARGETS, {row.target_id: row for row in batch.targets})
            self._append_new(schema.WORKLOADS, {row_key(row): row for row in batch.workloads})
            self._append_new(schema.SOURCES, {row.source_id: row for row in batch.sources})
            self._append_rejected(batch.rejected)
            trials = batch.trials
            rows: list[int] = []
            if len(trials):
                self._check_references(trials)
                self._append_new(schema.INSTRUCTIONS, trials.instructions)
                rows = self._new_rows(trials)
                if rows:
                    self._tables["trials"].append(trial_columns(trials, rows))
            return append_report(batch, rows)

    def _append_new(self, table: schema.TableSchema, rows: dict[str, Any]) -> None:
        if not rows:
            return
        known = self._known_keys(table)
        new = {key: row for key, row in rows.items() if key not in known}
        if not new:
            return
        columns: dict[str, list[Any]]
        if table is schema.WORKLOADS:
            columns = workload_columns(list(new.values()))
        elif table is schema.SOURCES:
            columns = source_columns(list(new.values()))
        elif table is schema.INSTRUCTIONS:
            columns = {"instructions_id": list(new), "instructions": list(new.values())}
        else:
            columns = columns_of(list(new.values()), table.columns.names)
        self._tables[table.name].append(columns)
        known.update(new)
        if table is schema.WORKLOADS:
            self._known_keys(table, "workload_id").update(row.workload_id for row in new.values())

    def _append_rejected(self, rejected: Sequence[Rejected]) -> None:
        if not rejected:
            return
        by_id = {rejected_id(row): row for row in rejected}
        self._tables["quarantine"].refresh()
        ids = pa.table({"rejected_id": list(by_id)})
        question = "SELECT rejected_id FROM {quarantine} SEMI JOIN new_ids USING (rejected_id)"
        known = {row[0] for row in self._tables.ask(question, new_ids=ids)}
        new = {key: row for key, row in by_id.items() if key not in known}
        if new:
            self._tables["quarantine"].append(rejected_columns(new))

    def _new_rows(self, trials: TrialColumns) -> list[int]:
        """The rows that are not in the store yet; of equal ones the first."""
        known = self._known_trials.among(trials.trial_id, trials.workload_id)
        rows = []
        for row, identity in enumerate(trials.trial_id):
            if identity not in known:
                known.add(identity)
                rows.append(row)
        return rows

    def _check_references(self, trials: TrialColumns) -> None:
        for table, column in (
            (schema.WORKLOADS, "workload_id"),
            (schema.TARGETS, "target_id"),
            (schema.HARDWARE, "hardware_id"),
            (schema.SOURCES, "source_id"),
        ):
            wanted = set(getattr(trials, column))
            if wanted <= self._known_keys(table, column):
                continue
            for key in [key for key in self._known if key.startswith(f"{table.name}.")]:
                del self._known[key]  # another process may have added it
            missing = wanted - self._known_keys(table, column)
            if missing:
                raise UsageError(f"a trial refers to the {column} {min(missing)!r}, which the store does not know")

    def _known_keys(self, table: schema.TableSchema, column: str = "") -> set[str]:
        """The values of a small table's key, or of another column, as far as they were seen. Rows are never removed."""
        column = column or table.key
        known = self._known.get(f"{table.name}.{column}")
        if known is None:
            self._tables[table.name].refresh()
            known = {row[0] for row in self._tables.ask(f"SELECT DISTINCT {column} FROM {{{table.name}}}")}
            self._known[f"{table.name}.{column}"] = known
        return known
