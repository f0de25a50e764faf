"""Which trials a store has, as far as an append must know: those of the workloads that it appends to.

What was once read of a file stays true as long as the table has the file: files never change. So each append reads only
the files that came since the last one, and a long tuning run does not slow down as it goes. When files have gone, they
were merged, or trials were removed: all is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from tunedb.store.database import REMEMBER_NOTHING, batches
from tunedb.store.delta import queries
from tunedb.store.delta.id_set import IdSet
from tunedb.store.delta.table import parquet_relation, store_errors
from tunedb.store.delta.tables import TableSet
from tunedb.store.locations import is_url

_FEW_WORKLOADS = 64  # above, a batch is a bulk load: it is checked by one join against the whole table
_REMEMBERED = 2_000_000  # ids
_ROWS = 1 << 16  # read at once


class KnownTrials:
    """Remembers the ids of the trials of the workloads that were asked for."""

    def __init__(self, tables: TableSet) -> None:
        self._tables = tables
        self._ids: dict[str, IdSet] = {}  # by workload
        self._read: dict[str, frozenset[str]] = {}  # by workload: the files that were read for it

    def among(self, trial_ids: Sequence[str], workload_ids: Sequence[str]) -> set[str]:
        """Those of some trials that the newest version of the store has.

        Args:
            trial_ids: the trials.
            workload_ids: the workload of each.
        """
        self._tables.refresh("trials")
        files = self._tables["trials"].files()
        if not files:
            return set()
        workloads = set(workload_ids)
        if len(workloads) > _FEW_WORKLOADS or is_url(self._tables.url):  # DuckDB opens local files only by name
            new_ids = pa.table({"trial_id": trial_ids})
            return {row[0] for row in self._tables.ask(queries.KNOWN_TRIALS, new_ids=new_ids)}
        if sum(map(len, self._ids.values())) > _REMEMBERED:
            self._ids.clear()
            self._read.clear()
        if workloads - self._read.keys() and self._are_too_many(workloads):
            new_ids = pa.table({"trial_id": trial_ids, "workload_id": workload_ids})
            bounds = {"workload_id": (min(workloads), max(workloads))}
            return {row[0] for row in self._tables.ask(queries.KNOWN_TRIALS, new_ids=new_ids, bounds=bounds)}
        self._read_on(workloads, files)
        asked: dict[str, list[str]] = {}
        for trial_id, workload_id in zip(trial_ids, workload_ids, strict=True):
            asked.setdefault(workload_id, []).append(trial_id)
        return {one for workload_id, ids in asked.items() for one in self._ids[workload_id].among(ids)}

    def _are_too_many(self, workloads: set[str]) -> bool:
        """Whether some workloads have more trials than are to be remembered."""
        table = self._tables["trials"]
        if table.num_rows() <= _REMEMBERED:
            return False
        selected = queries.any_of("workload_id", len(workloads))
        bounds = {"workload_id": (min(workloads), max(workloads))}
        question = "SELECT count(*) FROM {trials} WHERE {selected}"
        return int(self._tables.ask(question, sorted(workloads), selected=selected, bounds=bounds)[0][0]) > _REMEMBERED

    def _read_on(self, workloads: set[str], files: Sequence[str]) -> None:
        everything = frozenset(files)
        for workload_id in workloads:
            if not self._read.get(workload_id, frozenset()) <= everything:
                del self._read[workload_id], self._ids[workload_id]
        groups: dict[tuple[str, ...], list[str]] = {}  # workloads by the files that are unread for them
        for workload_id in sorted(workloads):
            read = self._read.get(workload_id, frozenset())
            groups.setdefault(tuple(file for file in files if file not in read), []).append(workload_id)
        for unread, together in groups.items():
            for workload_id in together:
                self._ids.setdefault(workload_id, IdSet())
            if unread:
                selected = queries.any_of("workload_id", len(together))
                question = f"SELECT workload_id, trial_id FROM {parquet_relation(unread)} WHERE {selected}"
                for workload_id, ids in self._ids_in(question, together):
                    self._ids[workload_id].update(ids)
            for workload_id in together:
                self._read[workload_id] = everything

    def _ids_in(self, question: str, values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Workloads with ids of theirs, of the answer to a question."""
        with store_errors(f"read the store {self._tables.url}"):
            cursor = self._tables.cursor()
            cursor.execute(REMEMBER_NOTHING)  # nothing is read twice
            for batch in batches(cursor, question, values, _ROWS):
                found: dict[str, list[str]] = {}
                for workload_id, trial_id in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    found.setdefault(workload_id, []).append(trial_id)
                yield from found.items()
