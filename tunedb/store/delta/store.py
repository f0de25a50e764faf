"""A store as a folder or URL of Delta Lake tables, queried by DuckDB.

Writing: what a trial refers to is committed before it, and a batch of trials is one commit. Appends are idempotent:
what is known is left out before writing, and readers take one row a trial, so that neither a commit that landed
without its acknowledgement nor two processes that append the same thing count anything twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from typing_extensions import override

from tunedb.errors import StoreError, UsageError
from tunedb.records import AppendReport, CompactedTable
from tunedb.store import schema
from tunedb.store.artifacts import artifacts_at
from tunedb.store.batch import Batch
from tunedb.store.contract import Store
from tunedb.store.delta import queries
from tunedb.store.delta.append import Appender
from tunedb.store.delta.audit import FileAudit, audit
from tunedb.store.delta.compaction import compact, settle
from tunedb.store.delta.misfits import misfits
from tunedb.store.delta.reader import DeltaReader
from tunedb.store.delta.tables import TableSet

_LOOKS = 3  # at references that seem to lead nowhere


class DeltaStore(DeltaReader, Store):
    """Keeps the contract of `Store` on disk or in an object store."""

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        as_of: int | datetime | None = None,
        storage_options: dict[str, str] | None = None,
    ) -> None:
        """Opens a store, and makes it if it is not there.

        Raises:
            NotFoundError: there is none and `create` is false, or it has no such version.
            StoreError: it cannot be opened, or something else stands there.
            StoreSchemaError: it was written by another schema version.
        """
        tables = TableSet(url, create=create, as_of=as_of, storage_options=storage_options)
        super().__init__(tables, artifacts_at(url, storage_options))
        self._appender = Appender(tables)

    @override
    def append_batch(self, batch: Batch) -> AppendReport:
        return self._appender.append_batches([batch])[0]

    @override
    def append_batches(self, batches: Sequence[Batch]) -> list[AppendReport]:
        return self._appender.append_batches(batches)

    # -- housekeeping ----------------------------------------------------------------------------------------------

    @override
    def problems(self, *, whole: bool = False, on_progress: Callable[[int, int], None] | None = None) -> list[str]:
        found, unreadable = [], False
        compared = self._compared(on_progress) if whole else None
        for table in self._tables.all():
            try:
                with self._tables.lock:
                    table.refresh()
                    if compared is not None:
                        audits = [file for file in map(compared, audit(table)) if not file.is_sound]
                        found += [problem for file in audits for problem in file.problems(table.schema)]
                        unreadable = unreadable or any(file.unreadable for file in audits)
                    else:
                        self._tables.ask(f"SELECT count(COLUMNS(*)) FROM {{{table.schema.name}}}")
            except StoreError as error:
                found.append(str(error))
                unreadable = True
            else:
                found += table.faults_of_log()
        if unreadable:
            return found
        with self._tables.lock:
            for _ in range(_LOOKS):
                dangling = self._dangling()
                if not dangling:
                    break
            found += dangling
            count, example = self._tables.ask(queries.MISCOUNTED)[0]
            if count:
                found.append(f"{count} trials have an outcome that their run times deny, such as {example}")
            if whole:
                found += [misfit.problem() for misfit in misfits(self._tables)]
        return found

    def _compared(self, on_progress: Callable[[int, int], None] | None) -> Callable[[FileAudit], FileAudit]:
        """What is given each file that was compared, and tells how far that is."""
        done = total = 0
        with suppress(StoreError):  # what cannot be read is told in its place
            total = sum(table.num_rows() for table in self._tables.all())

        def compared(file: FileAudit) -> FileAudit:
            nonlocal done
            done += file.file.statistics.num_rows or 0
            if on_progress is not None:
                on_progress(done, total)
            return file

        return compared

    def _dangling(self) -> list[str]:
        """References that lead nowhere, or seem to: somebody may take rows out meanwhile."""
        self._tables.refresh()
        found = []
        for kind in schema.TABLES:
            for column, referred in kind.references.items():
                question = queries.DANGLING.format(key=kind.key, column=column, table=kind.name, referred=referred)
                count, example = self._tables.ask(question)[0]
                if count:
                    found.append(f"{count} {kind.name} refer to a {column} that is not there, such as {example}")
        return found

    @override
    def compact(
        self, grace: timedelta = timedelta(days=7), on_progress: Callable[[int, int], None] | None = None
    ) -> list[CompactedTable]:
        if grace < timedelta(0):
            raise UsageError(f"a grace period cannot be negative: {grace}")
        with self._tables.lock:
            tables, done = self._tables.all(), []
            for number, table in enumerate(tables):
                if on_progress is not None:
                    on_progress(number, len(tables))
                done.append(compact(table, grace))
            return done

    @override
    def close(self) -> None:
        with self._tables.lock:
            unsettled = [table for table in self._tables.all() if table.is_unsettled]
            for table in unsettled:
                settle(table)
