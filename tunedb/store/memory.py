"""A store in memory: for tests and dry runs. It says by plain Python what `tunedb.store.delta.store` says by SQL."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from typing_extensions import override

from tunedb.errors import NotFoundError, UsageError
from tunedb.identity import trace_id
from tunedb.machine.kernels import WORKLOAD_IDS
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
from tunedb.store.artifacts import Artifacts, MemoryArtifacts
from tunedb.store.columns import Batch, TrialColumns, append_report
from tunedb.store.contract import Store
from tunedb.store.resolve import no_module, pick_target, pick_workload
from tunedb.store.rows import columns_of, rejected_columns, rejected_id, source_columns, trial_columns, workload_columns


class MemoryStore(Store):
    """Keeps the contract of `Store` for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._artifacts = MemoryArtifacts()
        self._workloads: dict[str, Workload] = {}  # by module_id, or by workload_id where the module is unknown
        self._targets: dict[str, Target] = {}
        self._hardware: dict[str, Hardware] = {}
        self._sources: dict[str, Source] = {}
        self._trials: dict[str, Trial] = {}
        self._rejected: dict[Rejected, None] = {}

    @property
    def url(self) -> str:
        """Always "memory:"."""
        return "memory:"

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._artifacts

    def version(self) -> str:
        """The number of trials."""
        return str(len(self._trials))

    def append_batch(self, batch: Batch) -> AppendReport:
        """See `Store.append_batch`."""
        with self._lock:
            for workload in batch.workloads:
                self._workloads.setdefault(workload.module_id or workload.workload_id, workload)
            for target in batch.targets:
                self._targets.setdefault(target.target_id, target)
            for machine in batch.hardware:
                self._hardware.setdefault(machine.hardware_id, machine)
            for source in batch.sources:
                dated = source if source.added_at else dataclasses.replace(source, added_at=datetime.now(UTC))
                self._sources.setdefault(source.source_id, dated)
            rows = [batch.trials.trial(row) for row in range(len(batch.trials))]
            self._check_references(rows)
            added = []
            for row, trial in enumerate(rows):
                if trial.trial_id not in self._trials:
                    self._trials[trial.trial_id] = trial
                    added.append(row)
            for rejected in batch.rejected:
                self._rejected.setdefault(rejected)
            return append_report(batch, added)

    def _check_references(self, trials: Iterable[Trial]) -> None:
        workload_ids = {workload.workload_id for workload in self._workloads.values()}
        for trial in trials:
            for kind, reference, known in (
                ("workload", trial.workload_id, workload_ids),
                ("target", trial.target_id, self._targets),
                ("hardware", trial.hardware_id, self._hardware),
                ("source", trial.source_id, self._sources),
            ):
                if reference not in known:
                    raise UsageError(f"a trial refers to the {kind} {reference!r}, which the store does not know")

    def workloads(self) -> list[WorkloadSummary]:
        """See `Store.workloads`."""
        ids = {workload.workload_id for workload in self._own_workloads()}
        return sorted((self._summary(identity) for identity in ids), key=lambda row: (row.name, row.workload_id))

    def _own_workloads(self) -> list[Workload]:
        """Without those that tuning calibrates a machine with."""
        return [row for row in self._workloads.values() if row.workload_id not in WORKLOAD_IDS]

    def _own_trials(self) -> list[Trial]:
        return [trial for trial in self._trials.values() if trial.workload_id not in WORKLOAD_IDS]

    def _summary(self, workload_id: str) -> WorkloadSummary:
        modules = self.modules(workload_id)
        trials = [trial for trial in self._trials.values() if trial.workload_id == workload_id]
        good = [trial.run_secs_median for trial in trials if trial.outcome is Outcome.OK]
        return WorkloadSummary(
            workload_id=workload_id,
            name=modules[0].name,
            structural_hashes=tuple(sorted({row.structural_hash for row in modules} - {""})),
            tvm_versions=tuple(sorted({row.tvm_version for row in modules} - {""}, key=release_order)),
            num_trials=len(trials),
            num_failed=len(trials) - len(good),
            num_targets=len({trial.target_id for trial in trials}),
            best_secs=min(good, default=None),
        )

    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """See `Store.resolve_workload`."""
        rows = self._own_workloads()
        return self._summary(pick_workload(((row.workload_id, row.structural_hash, row.name) for row in rows), prefix))

    def resolve_target(self, text: str) -> Target:
        """See `Store.resolve_target`."""
        return pick_target(self.targets(), text)

    def module(self, module_id: str) -> Workload:
        """See `Store.module`."""
        found = self._workloads.get(module_id)
        if found is None or not module_id or found.module_id != module_id:
            raise NotFoundError(no_module(module_id))
        return found

    def modules(self, workload_id: str) -> list[Workload]:
        """See `Store.modules`."""
        rows = [row for row in self._workloads.values() if row.workload_id == workload_id]
        rows.sort(key=lambda row: row.module_id)
        return sorted(rows, key=lambda row: release_order(row.tvm_version), reverse=True)

    def targets(self) -> list[Target]:
        """See `Store.targets`."""
        return sorted(self._targets.values(), key=lambda row: (row.kind, row.arch, row.target_id))

    def hardware(self) -> list[Hardware]:
        """See `Store.hardware`."""
        return sorted(self._hardware.values(), key=lambda row: (row.name, row.hardware_id))

    def sources(self) -> list[Source]:
        """See `Store.sources`."""
        epoch = datetime.fromtimestamp(0, UTC)
        return sorted(self._sources.values(), key=lambda row: (row.added_at or epoch, row.uri, row.source_id))

    def modules_hashed(self, structural_hash: str) -> list[Workload]:
        """See `Store.modules_hashed`."""
        rows = [row for row in self._workloads.values() if row.structural_hash == structural_hash and row.module_id]
        return sorted(rows, key=lambda row: row.module_id)

    def best(
        self, workload_id: str, target_id: str | None = None, limit: int = 1, *, module_id: str | None = None
    ) -> list[Trial]:
        """See `Store.best`."""
        fastest: dict[tuple[str, str], Trial] = {}
        for trial in sorted(
            self.trials(workload_id, target_id, Outcome.OK),
            key=lambda trial: (trial.run_secs_median, trial.position, trial.trial_id),
        ):
            if module_id not in (None, trial.module_id):
                continue
            fastest.setdefault((trial.module_id, trace_id(trial.trace)), trial)
        return list(fastest.values())[:limit]

    def trials(
        self, workload_id: str | None = None, target_id: str | None = None, outcome: Outcome | None = None
    ) -> Iterator[Trial]:
        """See `Store.trials`."""
        rows = [
            trial
            for trial in self._trials.values()
            if (workload_id is None or trial.workload_id == workload_id)
            and (target_id is None or trial.target_id == target_id)
            and (outcome is None or trial.outcome is outcome)
        ]
        rows.sort(key=lambda trial: (trial.workload_id, trial.source_id, trial.position, trial.trial_id))
        return iter(rows)

    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        """See `Store.trials_of_traces`."""
        wanted = set(trace_ids)
        return [trial for trial in self.trials(workload_id, target_id) if trace_id(trial.trace) in wanted]

    def rejected(self) -> Iterator[Rejected]:
        """See `Store.rejected`."""
        return iter(sorted(self._rejected, key=lambda row: (row.uri, row.line, row.reason)))

    def target_summaries(self) -> list[TargetSummary]:
        """See `Store.target_summaries`."""
        groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
        for trial in self._own_trials():
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

    def stats(self) -> StoreStats:
        """See `Store.stats`."""
        return StoreStats(
            url=self.url,
            version=self.version(),
            schema_version=0,
            num_workloads=len({row.workload_id for row in self._own_workloads()}),
            num_modules=sum(bool(row.module_id) for row in self._own_workloads()),
            num_targets=len(self._targets),
            num_hardware=len(self._hardware),
            num_trials=len(self._own_trials()),
            num_sources=len(self._sources),
            num_rejected=len(self._rejected),
            outcomes=dict(Counter(trial.outcome for trial in self._own_trials())),
            bytes_stored=0,
        )

    def arrow(self, table: str) -> Any:
        """See `Store.arrow`."""
        import pyarrow as pa

        from tunedb.store import schema

        with self._lock:
            trials = TrialColumns.of(self._trials.values())
            columns: dict[str, Callable[[], dict[str, list[Any]]]] = {
                "trials": lambda: trial_columns(trials, range(len(trials))),
                "workloads": lambda: workload_columns(list(self._workloads.values())),
                "instructions": lambda: {
                    "instructions_id": list(trials.instructions),
                    "instructions": list(trials.instructions.values()),
                },
                "targets": lambda: columns_of(list(self._targets.values()), schema.TARGETS.columns.names),
                "hardware": lambda: columns_of(list(self._hardware.values()), schema.HARDWARE.columns.names),
                "sources": lambda: source_columns(list(self._sources.values())),
                "quarantine": lambda: rejected_columns({rejected_id(row): row for row in self._rejected}),
            }
            names = {known.name: known.columns for known in schema.TABLES}
            return pa.table(columns[table](), schema=names[table])

    def problems(self) -> list[str]:
        """See `Store.problems`: a store in memory cannot be otherwise than sound."""
        return []

    def compact(self, grace: timedelta = timedelta(days=7)) -> list[CompactedTable]:
        """See `Store.compact`: there are no files."""
        del grace
        return []

    def close(self) -> None:
        """See `Store.close`."""
