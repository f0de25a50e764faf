"""A store as a folder or URL of Delta Lake tables, queried by DuckDB.

Writing: what a trial refers to is committed before it, and a batch of trials is one commit. Appends are idempotent:
what is known is left out before writing, and readers take one row a trial, so that neither a commit that landed
without its acknowledgement nor two processes that append the same thing count anything twice.

Reading: each question first moves on to the newest version of the trials, then of the tables that they refer to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tunedb import queries, schema
from tunedb.batch import Batch, TrialColumns, append_report
from tunedb.errors import NotFoundError, StoreError, UsageError
from tunedb.records import (
    AppendReport,
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
from tunedb.resolving import pick_target, pick_workload
from tunedb.rows import (
    columns_of,
    moment,
    rejected_columns,
    rejected_id,
    row_key,
    source_columns,
    trial_columns,
    trial_of_row,
    workload_columns,
)
from tunedb.store import Store
from tunedb.tables import Table, store_errors
from tunedb.versions import release_order

_FETCH_ROWS = 2048
_FEW_WORKLOADS = 64  # up to here the check for known trials reads only those workloads' row groups
_DIMENSIONS = (schema.HARDWARE, schema.TARGETS, schema.WORKLOADS, schema.INSTRUCTIONS, schema.SOURCES)


class DeltaStore(Store):
    """Keeps the contract of `Store` on disk or in an object store. Threads may share one; use `spawn`, never `fork`."""

    def __init__(self, url: str, *, create: bool = True, storage_options: dict[str, str] | None = None) -> None:
        """Opens a store, and makes it if it is not there.

        Raises:
            NotFoundError: there is none and `create` is false.
            StoreError: it cannot be opened, or something else stands there.
            StoreSchemaError: it was written by another schema version.
        """
        self._url = url
        self._lock = threading.RLock()
        self._tables = {table.name: Table(url, table, storage_options) for table in schema.TABLES}
        self._known: dict[str, set[str]] = {}
        self._instructions: dict[str, bytes] = {}
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        if not self._tables["trials"].exists():  # the last to be made
            if not create:
                raise NotFoundError(f"there is no store at {url}")
            self._create()
        self._tables["trials"].open()

    def _create(self) -> None:
        folder = Path(self._url)
        with store_errors(f"make a store at {self._url}"):
            if "://" not in self._url and folder.exists():
                foreign = sorted({entry.name for entry in folder.iterdir()} - set(self._tables))
                if foreign:
                    raise StoreError(f"cannot make a store at {self._url}: it is not empty (it has {foreign[0]})")
        for table in schema.TABLES:
            self._tables[table.name].create()

    @property
    def url(self) -> str:
        """The folder or URL that was opened."""
        return self._url

    def version(self) -> str:
        """The version of the table of trials."""
        with self._lock:
            self._tables["trials"].refresh()
            return str(self._tables["trials"].version())

    # -- writing ---------------------------------------------------------------------------------------------------

    def append_batch(self, batch: Batch) -> AppendReport:
        """See `Store.append_batch`."""
        with self._lock:
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
        known = {row[0] for row in self._ask(question, new_ids=ids)}
        new = {key: row for key, row in by_id.items() if key not in known}
        if new:
            self._tables["quarantine"].append(rejected_columns(new))

    def _new_rows(self, trials: TrialColumns) -> list[int]:
        """The rows that are not in the store yet; of equal ones the first."""
        self._tables["trials"].refresh()
        known: set[str] = set()
        if self._tables["trials"].version():
            workloads = set(trials.workload_id)
            selected = "true"
            if len(workloads) <= _FEW_WORKLOADS:
                selected = _any_of("workload_id", len(workloads))
            ids = pa.table({"trial_id": trials.trial_id})
            values = sorted(workloads) if selected != "true" else []
            known = {row[0] for row in self._ask(queries.KNOWN_TRIALS, values, selected=selected, new_ids=ids)}
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
            known = {row[0] for row in self._ask(f"SELECT DISTINCT {column} FROM {{{table.name}}}")}
            self._known[f"{table.name}.{column}"] = known
        return known

    # -- reading ---------------------------------------------------------------------------------------------------

    def workloads(self) -> list[WorkloadSummary]:
        """See `Store.workloads`."""
        return self._summaries("true", [])

    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """See `Store.resolve_workload`."""
        with self._lock:
            self._tables["workloads"].refresh()
            aliases = self._ask(queries.ALIASES)
            workload_id = pick_workload(((row[0], row[1], row[2]) for row in aliases), prefix)
            return self._summaries("workload_id = ?", [workload_id])[0]

    def _summaries(self, selected: str, values: Sequence[str]) -> list[WorkloadSummary]:
        with self._lock:
            self._refresh("trials", "workloads")
            counts = {row[0]: row[1:] for row in self._ask(queries.WORKLOAD_COUNTS, values, selected=selected)}
            modules: dict[str, list[tuple[Any, ...]]] = {}
            for row in self._ask(f"{queries.ALIASES} WHERE {selected}", values):
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
            raise NotFoundError(f"no module {module_id!r}")
        return found[0]

    def modules(self, workload_id: str) -> list[Workload]:
        """See `Store.modules`."""
        found = self._modules("workload_id = ?", [workload_id])
        return sorted(found, key=lambda row: release_order(row.tvm_version), reverse=True)

    def modules_hashed(self, structural_hash: str) -> list[Workload]:
        """See `Store.modules_hashed`."""
        return self._modules("structural_hash = ? AND module_id <> ''", [structural_hash])

    def _modules(self, selected: str, values: Sequence[str]) -> list[Workload]:
        with self._lock:
            self._refresh("workloads")
            return [Workload(*row) for row in self._ask(queries.MODULES, values, selected=selected)]

    def targets(self) -> list[Target]:
        """See `Store.targets`."""
        with self._lock:
            self._refresh("targets")
            rows = [Target(*row) for row in self._ask(queries.TARGETS)]
        return sorted(rows, key=lambda row: (row.kind, row.arch, row.target_id))

    def hardware(self) -> list[Hardware]:
        """See `Store.hardware`."""
        with self._lock:
            self._refresh("hardware")
            rows = [Hardware(*row) for row in self._ask(queries.HARDWARE)]
        return sorted(rows, key=lambda row: (row.name, row.hardware_id))

    def sources(self) -> list[Source]:
        """See `Store.sources`."""
        with self._lock:
            self._refresh("sources")
            return [Source(row[0], row[1], row[2], row[3], moment(row[4])) for row in self._ask(queries.SOURCES)]

    def best(
        self, workload_id: str, target_id: str | None = None, limit: int = 1, *, module_id: str | None = None
    ) -> list[Trial]:
        """See `Store.best`."""
        selected, values = _selection(workload_id, target_id, Outcome.OK, module_id)
        with self._lock:
            self._refresh("trials")
            rows = self._ask(queries.BEST, [*values, limit, *values], selected=selected)
            return self._with_instructions(rows)

    def trials(
        self, workload_id: str | None = None, target_id: str | None = None, outcome: Outcome | None = None
    ) -> Iterator[Trial]:
        """See `Store.trials`. The version is that of the first trial that is asked for."""
        selected, values = _selection(workload_id, target_id, outcome)
        with self._lock:
            self._refresh("trials")
            question = queries.TRIALS.format(selected=selected, **self._relations(queries.TRIALS))
        with store_errors(f"read the store {self._url}"):
            cursor = self._connection().cursor()
            cursor.execute(question, values)
        while True:
            with store_errors(f"read the store {self._url}"):
                rows = cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            with self._lock:
                found = self._with_instructions(rows)
            yield from found

    def _with_instructions(self, rows: Sequence[Sequence[Any]]) -> list[Trial]:
        missing = sorted({row[8] for row in rows} - self._instructions.keys())
        if missing:
            self._refresh("instructions")
            selected = _any_of("instructions_id", len(missing))
            self._instructions.update(self._ask(queries.INSTRUCTIONS, missing, selected=selected))
        return [trial_of_row(row, self._instructions) for row in rows]

    def rejected(self) -> Iterator[Rejected]:
        """See `Store.rejected`."""
        with self._lock:
            self._refresh("quarantine")
            return iter([Rejected(*row) for row in self._ask(queries.REJECTED)])

    def target_summaries(self) -> list[TargetSummary]:
        """See `Store.target_summaries`."""
        with self._lock:
            self._refresh("trials")
            counts = self._ask(queries.TARGET_COUNTS)
            targets = {row.target_id: row for row in self.targets()}
            hardware = {row.hardware_id: row for row in self.hardware()}
        return [TargetSummary(targets[row[0]], hardware[row[1]], row[2], row[3], row[4]) for row in counts]

    def stats(self) -> StoreStats:
        """See `Store.stats`."""
        with self._lock:
            self._refresh(*self._tables)
            modules = self._ask(queries.ALIASES)
            outcomes = {Outcome(name): count for name, count in self._ask(queries.OUTCOMES)}
            return StoreStats(
                url=self._url,
                version=str(self._tables["trials"].version()),
                schema_version=schema.SCHEMA_VERSION,
                num_workloads=len({row[0] for row in modules}),
                num_modules=sum(bool(row[4]) for row in modules),
                num_targets=len(self._ask(queries.TARGETS)),
                num_hardware=len(self._ask(queries.HARDWARE)),
                num_trials=sum(outcomes.values()),
                num_sources=len(self._ask(queries.SOURCES)),
                num_rejected=self._ask(queries.NUM_REJECTED)[0][0],
                outcomes=outcomes,
                bytes_stored=sum(table.bytes_stored() for table in self._tables.values()),
            )

    def problems(self) -> list[str]:
        """See `Store.problems`."""
        found = []
        for table in self._tables.values():
            try:
                with self._lock:
                    table.refresh()
                    self._ask(f"SELECT count(COLUMNS(*)) FROM {{{table.schema.name}}}")
            except StoreError as error:
                found.append(str(error))
        if found:
            return found
        with self._lock:
            for column, table_name in (
                ("workload_id", "workloads"),
                ("module_id", "workloads"),
                ("target_id", "targets"),
                ("hardware_id", "hardware"),
                ("source_id", "sources"),
                ("instructions_id", "instructions"),
            ):
                question = queries.DANGLING.format(column=column, table=f"{{{table_name}}}")
                count, example = self._ask(question)[0]
                if count:
                    found.append(f"{count} trials refer to a {column} that is not there, such as {example}")
            count, example = self._ask(queries.MISCOUNTED)[0]
            if count:
                found.append(f"{count} trials have an outcome that their run times deny, such as {example}")
        return found

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            if self._duckdb is not None:
                self._duckdb.close()
                self._duckdb = None

    # -- SQL -------------------------------------------------------------------------------------------------------

    def _refresh(self, *names: str) -> None:
        """Moves tables on to their newest versions, the trials first: what they refer to was written before them."""
        for name in sorted(names, key=lambda name: name != "trials"):
            self._tables[name].refresh()

    def _relations(self, question: str) -> dict[str, str]:
        return {name: table.relation() for name, table in self._tables.items() if f"{{{name}}}" in question}

    def _ask(
        self, question: str, values: Sequence[object] = (), *, new_ids: pa.Table | None = None, selected: str = "true"
    ) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        text = question.format(selected=selected, **self._relations(question))
        with store_errors(f"read the store {self._url}"):
            cursor = self._connection().cursor()
            if new_ids is not None:
                cursor.register("new_ids", new_ids)
            return cursor.execute(text, list(values)).fetchall()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None:
            self._duckdb = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        return self._duckdb


def _selection(
    workload_id: str | None, target_id: str | None, outcome: Outcome | None, module_id: str | None = None
) -> tuple[str, list[str]]:
    given = {"workload_id": workload_id, "target_id": target_id, "outcome": outcome, "module_id": module_id}
    wanted = {column: str(value) for column, value in given.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in wanted) or "true", list(wanted.values())


def _any_of(column: str, count: int) -> str:
    return f"{column} IN ({', '.join('?' * count)})"
