"""Trials as a stream, part by part (`tunedb.store.delta.parts`), each once though it may stand in several rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from tunedb.records import Trial
from tunedb.store.delta import queries
from tunedb.store.delta.parts import parts_of
from tunedb.store.delta.table import Bounds, store_errors
from tunedb.store.delta.tables import TableSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FETCH_ROWS = 1024
_SLICE_ROWS = 1_000_000  # of one workload, whose ids are looked through for those that stand twice


class TrialStream:
    """Asks for trials in the order of workloads, sources and positions.

    Args:
        tables: the tables of a store.
        made: makes trials of rows of the table `trials`; it is called with the tables' lock held.
    """

    def __init__(self, tables: TableSet, made: Callable[[Sequence[Sequence[Any]]], list[Trial]]) -> None:
        self._tables, self._made = tables, made

    def ask(self, selected: str, values: Sequence[str], bounds: Bounds) -> Iterator[Trial]:
        """The trials that a condition selects, of the version at which the first is asked for.

        Args:
            selected: the condition in SQL.
            values: what stands for its `?`.
            bounds: what it allows of some columns, to read fewer files.
        """
        with self._tables.lock:
            self._tables.refresh("trials")
            rows = self._tables.ask(queries.ROWS, values, selected=selected, bounds=bounds)
            parts = list(parts_of(rows, partial(self._positions, selected, values, bounds)))
            asked = deque(
                (
                    *self._tables.prepared(
                        queries.SELECTED_TRIALS,
                        f"{selected} AND {part.condition}",
                        {**bounds, "workload_id": part.workloads},
                    ),
                    [*values, *part.values],
                )
                for part in parts
            )
            split = {part.workloads[0] for part in parts if not part.is_whole}
            kept = self._kept(selected, values, bounds, split, rows)
        while asked:
            cursor, question, given = asked.popleft()
            with cursor:
                yield from self._asked(cursor, question, given, kept)

    def _asked(
        self, cursor: DuckDBPyConnection, question: str, values: Sequence[object], kept: dict[str, tuple[str, int]]
    ) -> Iterator[Trial]:
        with store_errors(f"read the store {self._tables.url}"):
            cursor.execute(question, values)
        while True:
            with store_errors(f"read the store {self._tables.url}"):
                rows = cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            with self._tables.lock:
                found = self._made(rows)
            for trial in found:
                if trial.trial_id not in kept or kept[trial.trial_id] == (trial.source_id, trial.position):
                    yield trial

    def _positions(
        self, selected: str, values: Sequence[str], bounds: Bounds, workload_id: str, source_id: str
    ) -> tuple[int, int]:
        """The first and the last position of some trials of a workload and a source."""
        question = "SELECT min(position), max(position) FROM {trials} WHERE {selected}"
        condition = f"{selected} AND workload_id = ? AND source_id = ?"
        ((first, last),) = self._tables.ask(
            question, [*values, workload_id, source_id], selected=condition, bounds=bounds
        )
        return first, last

    def _kept(
        self,
        selected: str,
        values: Sequence[str],
        bounds: Bounds,
        workload_ids: Collection[str],
        rows: Sequence[tuple[Any, ...]],
    ) -> dict[str, tuple[str, int]]:
        """Of trials of some workloads that stand more than once, the source and position that count, by trial."""
        kept: dict[str, tuple[str, int]] = {}
        for workload_id in workload_ids:
            count = sum(row[2] for row in rows if row[0] == workload_id)
            slices = ceil(count / _SLICE_ROWS)
            condition = f"{selected} AND workload_id = ? AND hash(trial_id) % {slices} = ?"
            for number in range(slices):
                found = self._tables.ask(
                    queries.TWICE, [*values, workload_id, number], selected=condition, bounds=bounds
                )
                kept.update({trial_id: (place["source_id"], place["position"]) for trial_id, place in found})
        return kept
