"""A store in memory: for tests and dry runs. It says by plain Python what `tunedb.store.delta` says by SQL."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tunedb.errors import NotFoundError, UsageError
from tunedb.identity import passes_of, schedule_of, trace_id
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.program.releases import release_order
from tunedb.records import (
    DEFAULT_CONDITIONS,
    AppendReport,
    CompactedTable,
    Delivery,
    Hardware,
    Module,
    Outcome,
    PoolSummary,
    Rejected,
    Schedule,
    Sighting,
    Source,
    StoreStats,
    Target,
    TargetSummary,
    Trial,
    Verdict,
    Workload,
    WorkloadSummary,
)
from tunedb.run_times import pooled
from tunedb.store import schema
from tunedb.store.artifacts import Artifacts, MemoryArtifacts
from tunedb.store.batch import (
    Batch,
    TrialColumns,
    TrialRows,
    append_report,
    check_references,
    deliveries_of,
    rejected_id,
    sightings_of,
)
from tunedb.store.checksums import with_checksums
from tunedb.store.contract import Store
from tunedb.store.resolve import checked_prefix, no_module, no_workload, pick_trial, pick_workload
from tunedb.store.tables import TableReader

if TYPE_CHECKING:
    pass


class MemoryStore(TableReader, Store):
    """Keeps the contract of `Store` for as long as the process lives. Every access to its records holds its lock."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._artifacts = MemoryArtifacts()
        self._workloads: dict[str, Workload] = {}
        self._modules: dict[str, Module] = {}
        self._targets: dict[str, Target] = {}
        self._hardware: dict[str, Hardware] = {}
        self._sources: dict[str, Source] = {}
        self._trials: dict[str, Trial] = {}
        self._rejected: dict[Rejected, datetime] = {}
        self._sightings: dict[tuple[str, str], Sighting] = {}  # by trial_id and source_id
        self._verdicts: dict[str, Verdict] = {}
        self._deliveries: dict[tuple[str, str], Delivery] = {}  # by source_id and sender

    @property
    @override
    def url(self) -> str:
        return "memory:"

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._artifacts

    @override
    def version(self) -> str:
        with self._lock:
            return str(len(self._trials))

    # -- appending -------------------------------------------------------------------------------------------------

    @override
    def append_batch(self, batch: Batch) -> AppendReport:
        now = datetime.now(UTC)
        with self._lock:
            for workload in batch.workloads:
                self._workloads.setdefault(workload.workload_id, workload)
            for target in batch.targets:
                self._targets.setdefault(target.target_id, target)
            for machine in batch.hardware:
                self._hardware.setdefault(machine.hardware_id, machine)
            had = set(self._sources)
            for source in batch.sources:
                dated = source if source.added_at else dataclasses.replace(source, added_at=now)
                self._sources.setdefault(source.source_id, dated)
            check_references(schema.MODULES, schema.columns_of(batch.modules, ["workload_id"]), self._keys)
            for module in batch.modules:
                self._modules.setdefault(module.module_id, module)
            check_references(schema.TRIALS, batch.trials.columns(), self._keys)
            added = []
            for place, trial in enumerate(batch.trials.trials()):
                if trial.trial_id not in self._trials:
                    self._trials[trial.trial_id] = trial
                    added.append(place)
            for delivery in deliveries_of(batch, added, lambda key: key not in had, now):
                self._deliveries.setdefault((delivery.source_id, delivery.sender), delivery)
            for rejected in batch.rejected:
                self._rejected.setdefault(rejected, now)
            sightings = sightings_of(batch, added)
            check_references(schema.SIGHTINGS, schema.columns_of(sightings.values(), ["source_id"]), self._keys)
            for key, sighting in sightings.items():
                stored = self._trials.get(sighting.trial_id)
                if stored is None or stored.source_id != sighting.source_id:
                    self._sightings.setdefault(key, sighting)
            for verdict in batch.verdicts:
                self._verdicts.setdefault(verdict.verdict_id, verdict)
            return append_report(batch, added)

    def _keys(self, table: schema.TableSchema) -> Collection[str]:
        """The keys of a table that others refer to."""
        found: dict[str, Any] = getattr(self, f"_{table.name}")
        return found

    # -- workloads and their modules -------------------------------------------------------------------------------

    @override
    def workloads(self) -> list[WorkloadSummary]:
        with self._lock:
            found = [self._summary(row) for row in self._workloads.values() if row.workload_id not in WORKLOAD_IDS]
        return sorted(found, key=lambda row: (row.name, row.workload_id))

    def _summary(self, workload: Workload) -> WorkloadSummary:
        modules = self.modules(workload.workload_id)
        trials = list(self.trials(workload.workload_id))
        good = [trial for trial in trials if trial.outcome is Outcome.OK]
        alike = [trial.run_secs_median for trial in good if trial.conditions == DEFAULT_CONDITIONS]
        return WorkloadSummary(
            workload_id=workload.workload_id,
            name=workload.name,
            family=workload.family,
            epilogue=workload.epilogue,
            extents=workload.extents,
            structural_hashes=tuple(sorted({row.structural_hash for row in modules} - {""})),
            tvm_versions=tuple(sorted({row.tvm_version for row in modules} - {""}, key=release_order)),
            num_trials=len(trials),
            num_failed=len(trials) - len(good),
            num_targets=len({trial.target_id for trial in trials}),
            best_secs=min(alike, default=None),
        )

    @override
    def workload(self, workload_id: str) -> Workload:
        with self._lock:
            if workload_id not in self._workloads:
                raise NotFoundError(no_workload(workload_id), kind="workload", asked=workload_id)
            return self._workloads[workload_id]

    @override
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        with self._lock:
            aliases = [
                (row.workload_id, structural_hash, row.name)
                for row in self._workloads.values()
                if row.workload_id not in WORKLOAD_IDS
                for structural_hash in {module.structural_hash for module in self.modules(row.workload_id)} | {""}
            ]
            return self._summary(self._workloads[pick_workload(aliases, prefix)])

    @override
    def module(self, module_id: str) -> Module:
        with self._lock:
            if module_id not in self._modules:
                raise NotFoundError(no_module(module_id), kind="module", asked=module_id)
            return self._modules[module_id]

    @override
    def modules(self, workload_id: str) -> list[Module]:
        with self._lock:
            rows = [row for row in self._modules.values() if row.workload_id == workload_id]
        rows.sort(key=lambda row: row.module_id)
        return sorted(rows, key=lambda row: release_order(row.tvm_version), reverse=True)

    @override
    def modules_hashed(self, structural_hash: str) -> list[Module]:
        with self._lock:
            rows = [row for row in self._modules.values() if row.structural_hash == structural_hash]
        return sorted(rows, key=lambda row: row.module_id)

    # -- targets, machines, sources --------------------------------------------------------------------------------

    @override
    def targets(self) -> list[Target]:
        with self._lock:
            return sorted(self._targets.values(), key=lambda row: (row.kind, row.arch, row.target_id))

    @override
    def target_summaries(self) -> list[TargetSummary]:
        groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
        with self._lock:
            for trial in self._user_trials():
                groups[trial.target_id, trial.hardware_id].append(trial)
            rows = [
                TargetSummary(
                    target=self._targets[target_id],
                    hardware=self._hardware[hardware_id],
                    num_trials=len(trials),
                    num_failed=sum(trial.outcome is not Outcome.OK for trial in trials),
                    num_workloads=len({trial.workload_id for trial in trials}),
                )
                for (target_id, hardware_id), trials in groups.items()
            ]
        return sorted(rows, key=lambda row: (-row.num_trials, row.target.target_id, row.hardware.hardware_id))

    @override
    def hardware(self) -> list[Hardware]:
        with self._lock:
            return sorted(self._hardware.values(), key=lambda row: (row.name, row.hardware_id))

    @override
    def sources(self) -> list[Source]:
        epoch = datetime.fromtimestamp(0, UTC)
        with self._lock:
            rows = list(self._sources.values())
        return sorted(rows, key=lambda row: (row.added_at or epoch, row.uri, row.source_id))

    @override
    def deliveries(self) -> list[Delivery]:
        with self._lock:
            return [row for _, row in sorted(self._deliveries.items())]

    @override
    def rejected(self) -> Iterator[Rejected]:
        with self._lock:
            return iter(sorted(self._rejected, key=lambda row: (row.uri, row.line, row.reason)))

    # -- trials ----------------------------------------------------------------------------------------------------

    def _user_trials(self) -> list[Trial]:
        """Those that are no measurements of reference kernels."""
        with self._lock:
            return [trial for trial in self._trials.values() if trial.workload_id not in WORKLOAD_IDS]

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
        fastest: dict[tuple[str, str], Trial] = {}
        for trial in sorted(
            self.trials(workload_id, target_id, Outcome.OK, conditions),
            key=lambda trial: (trial.run_secs_median, trial.position, trial.trial_id),
        ):
            if module_id not in (None, trial.module_id):
                continue
            fastest.setdefault((trial.module_id, trace_id(trial.trace)), trial)
        return list(fastest.values())[:limit]

    @override
    def schedules(
        self, workload_id: str, target_id: str, limit: int | None = None, *, conditions: str = DEFAULT_CONDITIONS
    ) -> list[Schedule]:
        found = _schedules(self.trials(workload_id, target_id, Outcome.OK, conditions))
        return [
            Schedule(*key, tuple(passes_of(trials)))
            for key, trials in sorted(found.items(), key=lambda item: (_latency(item[1]), item[0]))
        ][:limit]

    @override
    def trials(
        self,
        workload_id: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
        conditions: str | None = None,
    ) -> Iterator[Trial]:
        with self._lock:
            rows = [
                trial
                for trial in self._trials.values()
                if workload_id in (None, trial.workload_id)
                and target_id in (None, trial.target_id)
                and outcome in (None, trial.outcome)
                and conditions in (None, trial.conditions)
            ]
        rows.sort(key=lambda trial: (trial.workload_id, trial.source_id, trial.position, trial.trial_id))
        return iter(rows)

    @override
    def trial(self, prefix: str) -> Trial:
        wanted = checked_prefix(prefix)
        with self._lock:
            found = sorted(identity for identity in self._trials if identity.startswith(wanted))
            return self._trials[pick_trial([(identity,) for identity in found], prefix)[0]]

    @override
    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        wanted = set(trace_ids)
        return [trial for trial in self.trials(workload_id, target_id) if trace_id(trial.trace) in wanted]

    @override
    def pool_summaries(self, workload_ids: Collection[str] | None = None) -> list[PoolSummary]:
        groups: dict[tuple[str, str, str, str], list[Trial]] = defaultdict(list)
        for trial in self._user_trials() if workload_ids is None else self.trials():
            if workload_ids is None or trial.workload_id in workload_ids:
                groups[trial.workload_id, trial.target_id, trial.hardware_id, trial.conditions].append(trial)
        rows = []
        for key, trials in groups.items():
            good = [trial for trial in trials if trial.outcome is Outcome.OK]
            bests = (
                (_latency(passes), *min((trial.run_secs_median, trial.trial_id) for trial in passes))
                for passes in _schedules(good).values()
            )
            secs, median, trial_id = min(bests, key=lambda best: (best[0], best[2]), default=(None, None, None))
            rows.append(PoolSummary(*key, len(trials), len(trials) - len(good), secs, median, trial_id))
        return rows

    @override
    def stats(self) -> StoreStats:
        with self._lock:
            trials = self._user_trials()
            return StoreStats(
                url=self.url,
                version=self.version(),
                schema_version=schema.SCHEMA_VERSION,
                num_workloads=len(self._workloads.keys() - WORKLOAD_IDS),
                num_modules=sum(row.workload_id not in WORKLOAD_IDS for row in self._modules.values()),
                num_targets=len(self._targets),
                num_hardware=len(self._hardware),
                num_trials=len(trials),
                num_sources=len(self._sources),
                num_rejected=len(self._rejected),
                outcomes=dict(Counter(trial.outcome for trial in trials)),
                bytes_stored=0,
                num_verdicts=len(self._verdicts),
            )

    # -- verdicts --------------------------------------------------------------------------------------------------

    @override
    def verdicts(self, workload_id: str | None = None, target_id: str | None = None) -> list[Verdict]:
        with self._lock:
            rows = [
                row
                for row in self._verdicts.values()
                if workload_id in (None, row.workload_id) and target_id in (None, row.target_id)
            ]
        return sorted(rows, key=lambda row: (row.found_at, row.verdict_id))

    # -- tables ----------------------------------------------------------------------------------------------------

    @override
    def _dataset(self, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.dataset as ds

        table = schema.checked_table(name)
        with self._lock:
            rows = TrialColumns.of(TrialRows.of(self._trials.values()))
            if name == "trials":
                columns = rows.columns()
            elif name == "instructions":
                columns = {
                    "instructions_id": list(rows.instructions),
                    "instructions": list(rows.instructions.values()),
                }
            elif name == "quarantine":
                columns = schema.columns_of(self._rejected, [field.name for field in dataclasses.fields(Rejected)])
                columns["rejected_id"] = [rejected_id(row) for row in self._rejected]
                columns["added_at"] = list(self._rejected.values())
            else:
                columns = schema.columns_of(getattr(self, f"_{name}").values(), list(table.told()))
        told = pa.schema([field for field in table.arrow() if field.name != schema.CHECKSUM])
        return ds.dataset(with_checksums(pa.table(columns, schema=told), table))

    # -- housekeeping ----------------------------------------------------------------------------------------------

    @override
    def problems(self, *, whole: bool = False, on_progress: Callable[[int, int], None] | None = None) -> list[str]:
        return []  # a store in memory cannot be otherwise than sound

    @override
    def compact(
        self, grace: timedelta = timedelta(days=7), on_progress: Callable[[int, int], None] | None = None
    ) -> list[CompactedTable]:
        if grace < timedelta(0):
            raise UsageError(f"a grace period cannot be negative: {grace}")
        return []  # there are no files

    @override
    def close(self) -> None:
        pass


def _schedules(good: Iterable[Trial]) -> dict[tuple[str, str], list[Trial]]:
    """Trials by schedule."""
    found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in good:
        found[schedule_of(trial)].append(trial)
    return found


def _latency(passes: Sequence[Trial]) -> float:
    """The latency of a schedule, as `tunedb.query.estimates` says."""
    return pooled([min(run_secs) for run_secs in passes_of(passes)])
