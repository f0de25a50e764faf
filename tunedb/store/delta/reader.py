"""The questions to a store of Delta Lake tables, answered by DuckDB.

Each question first moves on to the newest version of the trials, then of the tables that they refer to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from tunedb.errors import NotFoundError
from tunedb.program.releases import release_order
from tunedb.records import (
    DEFAULT_CONDITIONS,
    Delivery,
    Hardware,
    Module,
    Outcome,
    PoolSummary,
    Rejected,
    Schedule,
    Source,
    StoreStats,
    Target,
    TargetSummary,
    Trial,
    TrialGroup,
    Verdict,
    Workload,
    WorkloadSummary,
)
from tunedb.run_times import pooled
from tunedb.store import schema
from tunedb.store.artifacts import Artifacts
from tunedb.store.batch import trial_of
from tunedb.store.delta import queries
from tunedb.store.delta.parts import ranges
from tunedb.store.delta.queries import any_of, selection
from tunedb.store.delta.table import parquet_relation
from tunedb.store.delta.tables import TableSet
from tunedb.store.delta.trial_stream import TrialStream
from tunedb.store.flat import USER_WORKLOADS
from tunedb.store.locations import is_url
from tunedb.store.resolve import checked_prefix, no_module, no_workload, pick_trial, pick_workload
from tunedb.store.schema import TrialRow, record_of
from tunedb.store.tables import TableReader

if TYPE_CHECKING:
    pass

_Record = TypeVar("_Record")

_COUNTED = {
    "workloads": USER_WORKLOADS,
    "modules": USER_WORKLOADS,
    "sources": f"format NOT IN {schema.NOTES}",
}
_POOLED_ROWS = 200_000  # at a time: a list for each trace takes memory, 1 KB a trial
_LISTED = 9  # trials whose ids begin alike: one more than are listed


class DeltaReader(TableReader):
    """Answers from the tables of a store.

    Args:
        tables: the tables, which the caller opens and closes.
        artifacts: the files beside them.
    """

    def __init__(self, tables: TableSet, artifacts: Artifacts) -> None:
        self._tables = tables
        self._artifacts = artifacts
        self._instructions: dict[str, bytes] = {}
        self._stream = TrialStream(tables, self._trials)

    @property
    @override
    def url(self) -> str:
        return self._tables.url

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._artifacts

    @override
    def version(self) -> str:
        with self._tables.lock:
            self._tables.refresh("trials")
            return str(self._tables["trials"].version())

    # -- workloads and their modules -------------------------------------------------------------------------------

    @override
    def workloads(self) -> list[WorkloadSummary]:
        return self._summaries(USER_WORKLOADS, [])

    @override
    def workload(self, workload_id: str) -> Workload:
        found = self._rows(schema.WORKLOADS, Workload, "workload_id = ?", [workload_id])
        if not found:
            raise NotFoundError(no_workload(workload_id), kind="workload", asked=workload_id)
        return found[0]

    @override
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        with self._tables.lock:
            self._tables.refresh("workloads", "modules")
            aliases = self._tables.ask(queries.ALIASES, selected=USER_WORKLOADS)
            workload_id = pick_workload(((row[0], row[2], row[1]) for row in aliases), prefix)
            return self._summaries("workload_id = ?", [workload_id])[0]

    def _summaries(self, selected: str, values: Sequence[str]) -> list[WorkloadSummary]:
        with self._tables.lock:
            self._tables.refresh("trials", "workloads", "modules")
            counts = {row[0]: row[1:] for row in self._tables.ask(queries.WORKLOAD_COUNTS, values, selected=selected)}
            releases: dict[str, list[tuple[Any, ...]]] = {}
            for release in self._tables.ask(queries.RELEASES, values, selected=selected):
                releases.setdefault(release[0], []).append(release)
            rows = self._rows(schema.WORKLOADS, Workload, selected, values)
        summaries = []
        for row in rows:
            num_trials, num_failed, num_targets, best_secs = counts.get(row.workload_id, (0, 0, 0, None))
            modules = releases.get(row.workload_id, [])
            summaries.append(
                WorkloadSummary(
                    workload_id=row.workload_id,
                    name=row.name,
                    family=row.family,
                    epilogue=row.epilogue,
                    extents=row.extents,
                    structural_hashes=tuple(sorted({module[1] for module in modules} - {""})),
                    tvm_versions=tuple(sorted({module[2] for module in modules} - {""}, key=release_order)),
                    num_trials=num_trials,
                    num_failed=num_failed,
                    num_targets=num_targets,
                    best_secs=best_secs,
                )
            )
        return sorted(summaries, key=lambda row: (row.name, row.workload_id))

    @override
    def module(self, module_id: str) -> Module:
        found = self._rows(schema.MODULES, Module, "module_id = ?", [module_id]) if module_id else []
        if not found:
            raise NotFoundError(no_module(module_id), kind="module", asked=module_id)
        return found[0]

    @override
    def modules(self, workload_id: str) -> list[Module]:
        found = self._rows(schema.MODULES, Module, "workload_id = ?", [workload_id])
        return sorted(found, key=lambda row: release_order(row.tvm_version), reverse=True)

    @override
    def modules_hashed(self, structural_hash: str) -> list[Module]:
        return self._rows(schema.MODULES, Module, "structural_hash = ?", [structural_hash])

    def _rows(
        self, table: schema.TableSchema, make: type[_Record], selected: str = "true", values: Sequence[str] = ()
    ) -> list[_Record]:
        """The records of a table that are selected, by their key."""
        with self._tables.lock:
            self._tables.refresh(table.name)
            rows = self._tables.ask(queries.rows_of(table), values, selected=selected)
        return [record_of(table, row, make) for row in rows]

    # -- targets, machines, sources --------------------------------------------------------------------------------

    @override
    def targets(self) -> list[Target]:
        found = self._rows(schema.TARGETS, Target)
        return sorted(found, key=lambda row: (row.kind, row.arch, row.target_id))

    @override
    def target_summaries(self) -> list[TargetSummary]:
        with self._tables.lock:
            self._tables.refresh("trials")
            counts = self._tables.ask(queries.TARGET_COUNTS)
            targets = {row.target_id: row for row in self.targets()}
            hardware = {row.hardware_id: row for row in self.hardware()}
        return [TargetSummary(targets[row[0]], hardware[row[1]], row[2], row[3], row[4]) for row in counts]

    @override
    def hardware(self) -> list[Hardware]:
        return sorted(self._rows(schema.HARDWARE, Hardware), key=lambda row: (row.name, row.hardware_id))

    @override
    def sources(self) -> list[Source]:
        with self._tables.lock:
            self._tables.refresh("sources")
            return [record_of(schema.SOURCES, row, Source) for row in self._tables.ask(queries.SOURCES)]

    @override
    def deliveries(self) -> list[Delivery]:
        found = self._rows(schema.DELIVERIES, Delivery)
        return sorted(found, key=lambda row: (row.source_id, row.sender))

    @override
    def rejected(self) -> Iterator[Rejected]:
        with self._tables.lock:
            self._tables.refresh("quarantine")
            return iter([Rejected(*row) for row in self._tables.ask(queries.REJECTED)])

    # -- trials ----------------------------------------------------------------------------------------------------

    @override
    def best(
        self,
        workload_id: str,
        target_id: str | None = None,
        limit: int = 1,
        *,
        module_id: str | None = None,
        conditions: str = DEFAULT_CONDITIONS,
    ) -> list[Trial]:
        given = {"workload_id": workload_id, "target_id": target_id, "module_id": module_id, "conditions": conditions}
        selected, values, bounds = selection(outcome=Outcome.OK, **given)
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
                    return self._trials(rows)
                del bounds["secs_median"]
                wanted *= 8  # some of the fastest are measurements of one trace

    @override
    def schedules(
        self, workload_id: str, target_id: str, limit: int | None = None, *, conditions: str = DEFAULT_CONDITIONS
    ) -> list[Schedule]:
        selected, values, bounds = selection(
            workload_id=workload_id, target_id=target_id, outcome=Outcome.OK, conditions=conditions
        )
        with self._tables.lock:
            self._tables.refresh("trials")
            rows = self._tables.ask(queries.SCHEDULES, [*values, limit], selected=selected, bounds=bounds)
        return [Schedule(row[0], row[1], tuple(map(tuple, row[2]))) for row in rows]

    @override
    def trials(
        self,
        workload_id: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
        conditions: str | None = None,
    ) -> Iterator[Trial]:
        selected, values, bounds = selection(
            workload_id=workload_id, target_id=target_id, outcome=outcome, conditions=conditions
        )
        yield from self._stream.ask(selected, values, bounds)

    @override
    def trial(self, prefix: str) -> Trial:
        wanted = checked_prefix(prefix)
        with self._tables.lock:
            self._tables.refresh("trials")
            found = self._tables.ask(queries.BEGINNING_WITH, [wanted, _LISTED])
            trial_id, workload_id, target_id, trace_id = pick_trial(found, prefix)
            trials = self.trials_of_traces(workload_id, target_id, [trace_id])
        return next(trial for trial in trials if trial.trial_id == trial_id)

    @override
    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        if not trace_ids:
            return []
        selected, values, bounds = selection(workload_id=workload_id, target_id=target_id)
        with self._tables.lock:
            self._tables.refresh("trials")
            selected = f"{selected} AND {any_of('trace_id', len(trace_ids))}"
            rows = self._tables.ask(queries.SELECTED_TRIALS, [*values, *trace_ids], selected=selected, bounds=bounds)
            return self._trials(rows)

    def trials_in(self, files: Sequence[str], trace_ids: Sequence[str]) -> list[Trial]:
        """The trials of some traces in some files of the table `trials`, whatever workload they are of.

        Raises:
            StoreError: a file cannot be read; it may be gone.
        """
        if not files or not trace_ids:
            return []
        relation = parquet_relation(files).replace("{", "{{").replace("}", "}}")  # a folder's name may have them
        text = queries.SELECTED_TRIALS.replace("{trials}", relation)
        with self._tables.lock:
            selected = any_of("trace_id", len(trace_ids))
            return self._trials(self._tables.ask(text, trace_ids, selected=selected, once=True))

    def trace_ids(self, workload_id: str, target_id: str) -> list[str]:
        """The traces of all trials of a workload on a target, failed ones too."""
        selected, values, bounds = selection(workload_id=workload_id, target_id=target_id)
        text = "SELECT DISTINCT trace_id FROM {trials} WHERE {selected}"
        with self._tables.lock:
            self._tables.refresh("trials")
            return [row[0] for row in self._tables.ask(text, values, selected=selected, bounds=bounds)]

    def _trials(self, rows: Sequence[Sequence[Any]]) -> list[Trial]:
        """Trials of rows of the table `trials`."""
        found: list[TrialRow] = [record_of(schema.TRIALS, row, TrialRow) for row in rows]
        missing = sorted({row.instructions_id for row in found} - self._instructions.keys())
        if missing:
            self._tables.refresh("instructions")
            selected = any_of("instructions_id", len(missing))
            self._instructions.update(self._tables.ask(queries.INSTRUCTIONS, missing, selected=selected))
        return [trial_of(row, self._instructions) for row in found]

    @override
    def pool_summaries(self, workload_ids: Collection[str] | None = None) -> list[PoolSummary]:
        wanted = sorted(workload_ids) if workload_ids is not None else []
        if workload_ids is not None and not wanted:
            return []
        selected = any_of("workload_id", len(wanted)) if wanted else USER_WORKLOADS
        found: list[PoolSummary] = []
        with self._tables.lock:
            self._tables.refresh("trials")
            is_one = len(wanted) == 1
            counts = self._tables.ask(queries.WORKLOAD_ROWS, wanted, selected=selected) if not is_one else []
            counted = [(wanted[0], 1)] if is_one else [(name, count) for name, count in counts]
            for first, last, _ in ranges(counted, _POOLED_ROWS):
                rows = self._tables.ask(
                    queries.POOLS,
                    [*wanted, first, last],
                    selected=f"{selected} AND workload_id BETWEEN ? AND ?",
                    bounds={"workload_id": (first, last)},
                )
                found += [PoolSummary(*values) for values in ([*row[:6], _pooled(row[6]), *row[7:]] for row in rows)]
        return found

    @override
    def stats(self) -> StoreStats:
        with self._tables.lock:
            self._tables.refresh()
            outcomes = {Outcome(name): count for name, count in self._tables.ask(queries.OUTCOMES)}
            counts = {
                table.name: self._tables.ask(
                    f"SELECT count(DISTINCT ({table.key})) FROM {{{table.name}}} WHERE {{selected}}",
                    selected=_COUNTED.get(table.name, "true"),
                )[0][0]
                for table in schema.TABLES
                if table is not schema.TRIALS
            }
            return StoreStats(
                url=self.url,
                version=str(self._tables["trials"].version()),
                schema_version=schema.SCHEMA_VERSION,
                num_workloads=counts["workloads"],
                num_modules=counts["modules"],
                num_targets=counts["targets"],
                num_hardware=counts["hardware"],
                num_trials=sum(outcomes.values()),
                num_sources=counts["sources"],
                num_rejected=counts["quarantine"],
                outcomes=outcomes,
                bytes_stored=sum(table.bytes_stored() for table in self._tables.all()),
                num_verdicts=counts["verdicts"],
            )

    @override
    def trial_groups(self) -> list[TrialGroup]:
        with self._tables.lock:
            self._tables.refresh("trials")
            ((any_twice,),) = self._tables.ask(queries.ANY_TWICE)
            rows = self._tables.ask(queries.GROUPS_OF_SOME_TWICE if any_twice else queries.GROUPS)
        return [TrialGroup(*[*row[:5], Outcome(row[5]), row[6], schema.moment(row[7]), row[8]]) for row in rows]

    # -- verdicts --------------------------------------------------------------------------------------------------

    @override
    def verdicts(self, workload_id: str | None = None, target_id: str | None = None) -> list[Verdict]:
        selected, values, _ = selection(workload_id=workload_id, target_id=target_id)
        found = self._rows(schema.VERDICTS, Verdict, selected, values)
        return sorted(found, key=lambda row: (row.found_at, row.verdict_id))

    # -- tables ----------------------------------------------------------------------------------------------------

    @override
    def _dataset(self, name: str) -> Any:
        schema.checked_table(name)
        with self._tables.lock:
            self._tables.refresh("trials", name)
            return self._tables[name].dataset()

    @override
    def _relation(self, name: str) -> Any:
        if is_url(self.url):
            return self._dataset(name)
        with self._tables.lock:
            self._tables.refresh("trials", name)
            return self._tables[name].relation()


def _pooled(least_secs: Sequence[float | None] | None) -> float | None:
    """The latency of a schedule of which some passes may have failed."""
    good = [secs for secs in least_secs or () if secs is not None]
    return pooled(good) if good else None
