"""Questions that every store answers alike, from its tables as Arrow's data sets: streams, flat trials, SQL."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tunedb.errors import StoreError, first_line
from tunedb.records import Outcome, SqlResult, Target, TrialGroup
from tunedb.store.contract import SQL_LIMIT_SECS, StoreReader
from tunedb.store.flat import USER_WORKLOADS, flat_trials
from tunedb.store.resolve import pick_target
from tunedb.store.sql import run_sql

if TYPE_CHECKING:
    import pyarrow as pa


_GROUP = "workload_id, target_id, hardware_id, source_id, conditions, outcome"
_GROUPS = f"""
SELECT {_GROUP}, count(*), max(measured_at), min(secs_median) FROM trials WHERE {USER_WORKLOADS} GROUP BY ALL
"""


class TableReader(StoreReader):
    """What a store answers by its tables, however these are kept."""

    @abstractmethod
    def _dataset(self, name: str) -> Any:
        """A table as it stands, as a `pyarrow.dataset.Dataset` that may be read as often as one likes.

        Args:
            name: of a table of `tunedb.store.schema`.

        Raises:
            NotFoundError: there is no such table.
            StoreError: it cannot be read.
        """

    def _relation(self, name: str) -> Any:
        """A table as `_dataset` gives it, or as SQL that DuckDB reads by itself: with less memory.

        Args:
            name: of a table of `tunedb.store.schema`.

        Raises:
            StoreError: it cannot be read.
        """
        return self._dataset(name)

    @override
    @contextmanager
    def table(self, name: str) -> Iterator[pa.RecordBatchReader]:
        import pyarrow as pa

        dataset = self._dataset(name)
        try:
            yield dataset.scanner(batch_readahead=2, fragment_readahead=1).to_reader()
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"cannot read the store {self.url}: {first_line(error)}") from error

    @override
    def flat_trials(
        self, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        return flat_trials(self._relation, self.url, workload_id, target_id, top_k)

    @override
    def sql(self, query: str, *, limit_secs: float = SQL_LIMIT_SECS) -> SqlResult:
        return run_sql(self._dataset, query, limit_secs)

    @override
    def trial_groups(self) -> list[TrialGroup]:
        return [TrialGroup(*[*row[:5], Outcome(row[5]), *row[6:]]) for row in self.sql(_GROUPS).rows]

    @override
    def resolve_target(self, text: str) -> Target:
        return pick_target(self.targets(), text)
