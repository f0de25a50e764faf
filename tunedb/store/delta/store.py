"""A store as a folder or URL of Delta Lake tables, queried by DuckDB.

Writing: what a trial refers to is committed before it, and a batch of trials is one commit. Appends are idempotent:
what is known is left out before writing, and readers take one row a trial, so that neither a commit that landed
without its acknowledgement nor two processes that append the same thing count anything twice.

Reading: each question first moves on to the newest version of the trials, then of the tables that they refer to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import override

from tunedb.errors import NotFoundError, StoreError, UsageError
from tunedb.program.releases import release_order
from tunedb.records import (
    AppendReport,
    CompactedTable,
    Hardware,
    Outcome,
    Rejected,
    Source,
    StoreStats,
    Target,
    TargetSummary,
    Trial,
    Workload,
    WorkloadSummary,
)
from tunedb.store import schema
from tunedb.store.artifacts import Artifacts, artifacts_at
from tunedb.store.columns import Batch
from tunedb.store.contract import Store
from tunedb.store.delta import queries
from tunedb.store.delta.append import Appender
from tunedb.store.delta.queries import any_of
from tunedb.store.delta.table import store_errors
from tunedb.store.delta.tables import TableSet
from tunedb.store.resolve import no_module, pick_target, pick_workload
from tunedb.store.rows import moment, trial_of_row

_FETCH_ROWS = 2048


class DeltaStore(Store):
    """Keeps the contract of `Store` on disk or in an object store. Threads may share one; use `spawn`, never `fork`."""

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
        self._tables = TableSet(url, create=create, as_of=as_of, storage_options=storage_options)
        self._appender = Appender(self._tables)
        self._artifacts = artifacts_at(url, storage_options)
        self._instructions: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """The folder or URL that was opened."""
        return self._tables.url

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._artifacts

    def version(self) -> str:
        """The version of the table of trials."""
        with self._tables.lock:
            self._tables.refresh("trials")
            return str(self._tables["trials"].version())

    def append_batch(self, batch: Batch) -> AppendReport:
        """See `Store.append_batch`."""
        return self._appender.append_batch(batch)

    def workloads(self) -> list[WorkloadSummary]:
        """See `Store.workloads`."""
        return self._summaries(queries.OWN, [])

    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """See `Store.resolve_workload`."""
        with self._tables.lock:
            self._tables["workloads"].refresh()
            aliases = self._tables.ask(queries.ALIASES, selected=queries.OWN)
            workload_id = pick_workload(((row[0], row[1], row[2]) for row in aliases), prefix)
            return self._summaries("workload_id = ?", [workload_id])[0]

    def _summaries(self, selected: str, values: Sequence[str]) -> list[WorkloadSummary]:
        with self._tables.lock:
            self._tables.refresh("trials", "workloads")
            counts = {row[0]: row[1:] for row in self._tables.ask(queries.WORKLOAD_COUNTS, values, selected=selected)}
            modules: dict[str, list[tuple[Any, ...]]] = {}
            for row in self._tables.ask(queries.ALIASES, values, selected=selected):
                modules.setdefault(row[0], []).append(row)
        rows = []
        for workload_id, aliases in modules.items():
            num_trials, num_failed, num_targets, best_secs = counts.get(workload_id, (0, 0, 0, None))
            newest = max(sorted(aliases, key=lambda row: str(row[4])), key=lambda row: release_order(row[3]))
            rows.append(
                WorkloadSummary(
                    workload_id=workload_id,
                    name=newest[2],
                    structural_hashes=tuple(sorted({row[1] for row in aliases} - {""})),
                    tvm_versions=tuple(sorted({row[3] for row in aliases} - {""}, key=release_order)),
                    num_trials=num_trials,
                    num_failed=num_failed,
                    num_targets=num_targets,
                    best_secs=best_secs,
                )
            )
        return sorted(rows, key=lambda row: (row.name, row.workload_id))

    def resolve_target(self, text: str) -> Target:
        """See `Store.resolve_target`."""
        return pick_target(self.targets(), text)

    def module(self, module_id: str) -> Workload:
        """See `Store.module`."""
        found = self._modules("row_id = ? AND module_id <> ''", [module_id])
        if not found:
            raise NotFoundError(no_module(module_id))
        return found[0]

    def modules(self, workload_id: str) -> list[Workload]:
        """See `Store.modules`."""
        found = self._modules("workload_id = ?", [workload_id])
        return sorted(found, key=lambda row: release_order(row.tvm_version), reverse=True)

    def modules_hashed(self, structural_hash: str) -> list[Workload]:
        """See `Store.modules_hashed`."""
        return self._modules("structural_hash = ? AND module_id <> ''", [structural_hash])

    def _modules(self, selected: str, values: Sequence[str]) -> list[Workload]:
        with self._tables.lock:
            self._tables.refresh("workloads")
            return [Workload(*row) for row in self._tables.ask(queries.MODULES, values, selected=selected)]

    def targets(self) -> list[Target]:
        """See `Store.targets`."""
        with self._tables.lock:
            self._tables.refresh("targets")
            rows = [Target(*row) for row in self._tables.ask(queries.TARGETS)]
        return sorted(rows, key=lambda row: (row.kind, row.arch, row.target_id))

    def hardware(self) -> list[Hardware]:
        """See `Store.hardware`."""
        with self._tables.lock:
            self._tables.refresh("hardware")
            rows = [Hardware(*row) for row in self._tables.ask(queries.HARDWARE)]
        return sorted(rows, key=lambda row: (row.name, row.hardware_id))

    def sources(self) -> list[Source]:
        """See `Store.sources`."""
        with self._tables.lock:
            self._tables.refresh("sources")
            return [Source(row[0], row[1], row[2], row[3], moment(row[4])) for row in self._tables.ask(queries.SOURCES)]

    def best(
        self, workload_id: str, target_id: str | None = None, limit: int = 1, *, module_id: str | None = None
    ) -> list[Trial]:
        """See `Store.best`."""
        selected, values, bounds = _selection(workload_id, target_id, Outcome.OK, module_id)
        with self._tables.lock:
            self._tables.refresh("trials")
            wanted = limit
            while True:
                # Files and groups of rows that hold only slower trials are not read beyond their statistics.
                fastest = self._tables.ask(queries.FASTEST, [*values, wanted], selected=selected, bounds=bounds)
                if not fastest:
                    return []
                slowest = fastest[-1][0]
                bounds["secs_median"] = (0.0, slowest)
                rows = self._tables.ask(queries.BEST, [*values, slowest, limit], selected=selected, bounds=bounds)
                if len(rows) == limit or len(fastest) < wanted:
                    return self._with_instructions(rows)
                del bounds["secs_median"]
                wanted *= 8  # some of the fastest are measurements of one trace

    def trials(
        self, workload_id: str | None = None, target_id: str | None = None, outcome: Outcome | None = None
    ) -> Iterator[Trial]:
        """See `Store.trials`. The version is that of the first trial that is asked for."""
        selected, values, bounds = _selection(workload_id, target_id, outcome)
        with self._tables.lock:
            self._tables.refresh("trials")
            cursor, question = self._tables.prepared(queries.TRIALS, selected, bounds)
        with store_errors(f"read the store {self.url}"):
            cursor.execute(question, values)
        while True:
            with store_errors(f"read the store {self.url}"):
                rows = cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            with self._tables.lock:
                found = self._with_instructions(rows)
            yield from found

    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        """See `Store.trials_of_traces`."""
        if not trace_ids:
            return []
        selected, values, bounds = _selection(workload_id, target_id, None)
        with self._tables.lock:
            self._tables.refresh("trials")
            selected = f"{selected} AND {any_of('trace_id', len(trace_ids))}"
            rows = self._tables.ask(queries.TRIALS, [*values, *trace_ids], selected=selected, bounds=bounds)
            return self._with_instructions(rows)

    def _with_instructions(self, rows: Sequence[Sequence[Any]]) -> list[Trial]:
        missing = sorted({row[8] for row in rows} - self._instructions.keys())
        if missing:
            self._tables.refresh("instructions")
            selected = any_of("instructions_id", len(missing))
            self._instructions.update(self._tables.ask(queries.INSTRUCTIONS, missing, selected=selected))
        return [trial_of_row(row, self._instructions) for row in rows]

    def rejected(self) -> Iterator[Rejected]:
        """See `Store.rejected`."""
        with self._tables.lock:
            self._tables.refresh("quarantine")
            return iter([Rejected(*row) for row in self._tables.ask(queries.REJECTED)])

    def target_summaries(self) -> list[TargetSummary]:
        """See `Store.target_summaries`."""
        with self._tables.lock:
            self._tables.refresh("trials")
            counts = self._tables.ask(queries.TARGET_COUNTS)
            targets = {row.target_id: row for row in self.targets()}
            hardware = {row.hardware_id: row for row in self.hardware()}
        return [TargetSummary(targets[row[0]], hardware[row[1]], row[2], row[3], row[4]) for row in counts]

    def stats(self) -> StoreStats:
        """See `Store.stats`."""
        with self._tables.lock:
            self._tables.refresh()
            modules = self._tables.ask(queries.ALIASES, selected=queries.OWN)
            outcomes = {Outcome(name): count for name, count in self._tables.ask(queries.OUTCOMES)}
            return StoreStats(
                url=self.url,
                version=str(self._tables["trials"].version()),
                schema_version=schema.SCHEMA_VERSION,
                num_workloads=len({row[0] for row in modules}),
                num_modules=sum(bool(row[4]) for row in modules),
                num_targets=len(self._tables.ask(queries.TARGETS)),
                num_hardware=len(self._tables.ask(queries.HARDWARE)),
                num_trials=sum(outcomes.values()),
                num_sources=len(self._tables.ask(queries.SOURCES)),
                num_rejected=self._tables.ask(queries.NUM_REJECTED)[0][0],
                outcomes=outcomes,
                bytes_stored=sum(table.bytes_stored() for table in self._tables.all()),
            )

    def arrow(self, table: str) -> Any:
        """See `Store.arrow`."""
        with self._tables.lock:
            self._tables.refresh("trials", table)
            return self._tables[table].dataset()

    def problems(self) -> list[str]:
        """See `Store.problems`."""
        found = []
        for table in self._tables.all():
            try:
                with self._tables.lock:
                    table.refresh()
                    self._tables.ask(f"SELECT count(COLUMNS(*)) FROM {{{table.schema.name}}}")
            except StoreError as error:
                found.append(str(error))
        if found:
            return found
        with self._tables.lock:
            for column, table_name in (
                ("workload_id", "workloads"),
                ("module_id", "workloads"),
                ("target_id", "targets"),
                ("hardware_id", "hardware"),
                ("source_id", "sources"),
                ("instructions_id", "instructions"),
            ):
                question = queries.DANGLING.format(column=column, table=f"{{{table_name}}}")
                count, example = self._tables.ask(question)[0]
                if count:
                    found.append(f"{count} trials refer to a {column} that is not there, such as {example}")
            count, example = self._tables.ask(queries.MISCOUNTED)[0]
            if count:
                found.append(f"{count} trials have an outcome that their run times deny, such as {example}")
        return found

    def compact(self, grace: timedelta = timedelta(days=7)) -> list[CompactedTable]:
        """See `Store.compact`."""
        if grace < timedelta(0):
            raise UsageError(f"a grace period cannot be negative: {grace}")
        with self._tables.lock:
            return [table.compact(grace) for table in self._tables.all()]

    def close(self) -> None:
        """See `Store.close`."""
        with self._tables.lock:
            for table in self._tables.all():
                table.settle()


def _selection(
    workload_id: str | None, target_id: str | None, outcome: Outcome | None, module_id: str | None = None
) -> tuple[str, list[str], dict[str, tuple[Any, Any]]]:
    """A condition, what stands for its `?`, and what it allows of the columns that files have statistics of."""
    given = {"workload_id": workload_id, "target_id": target_id, "outcome": outcome, "module_id": module_id}
    wanted = {column: str(value) for column, value in given.items() if value is not None}
    bounds: dict[str, tuple[Any, Any]] = {
        column: (wanted[column], wanted[column]) for column in ("workload_id", "target_id") if column in wanted
    }
    return " AND ".join(f"{column} = ?" for column in wanted) or "true", list(wanted.values()), bounds
