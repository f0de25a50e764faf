"""The contract of a store; `tunedb.store.delta` keeps it on disk and `tunedb.store.memory` for tests and dry runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

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
from tunedb.store.artifacts import Artifacts
from tunedb.store.columns import Batch, TrialColumns


class Store(ABC):
    """Tuning records of many workloads, targets and machines.

    Several processes may read and append at once. What `append` has returned from is durable. Everything is
    identified by content: appending the same thing twice adds nothing. Readers see a consistent version.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The folder or URL that was opened."""

    @property
    @abstractmethod
    def artifacts(self) -> Artifacts:
        """The files that belong to the store: saved models, computed features."""

    @abstractmethod
    def version(self) -> str:
        """A text that changes whenever a trial is added; models record it as what they were trained on."""

    @abstractmethod
    def append_batch(self, batch: Batch) -> AppendReport:
        """Adds what is not there yet of a batch of columns: `append` for those who bring many.

        Raises:
            StoreError: the store cannot be written; nothing of the batch's trials counts as added.
        """

    def append(
        self,
        trials: Sequence[Trial],
        *,
        workloads: Sequence[Workload] = (),
        targets: Sequence[Target] = (),
        hardware: Sequence[Hardware] = (),
        sources: Sequence[Source] = (),
        rejected: Sequence[Rejected] = (),
    ) -> AppendReport:
        """Adds what is not there yet. What trials refer to must be there or come along.

        Raises:
            StoreError: the store cannot be written; nothing of `trials` counts as added.
        """
        batch = Batch(TrialColumns.of(trials))
        batch.workloads.extend(workloads)
        batch.targets.extend(targets)
        batch.hardware.extend(hardware)
        batch.sources.extend(sources)
        batch.rejected.extend(rejected)
        return self.append_batch(batch)

    @abstractmethod
    def workloads(self) -> list[WorkloadSummary]:
        """All workloads, by name; not the kernels that tuning calibrates a machine with (`tunedb.machine.kernels`)."""

    @abstractmethod
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """The workload whose id, or one of whose structural hashes, starts with `prefix`.

        Raises:
            NotFoundError: none does.
            AmbiguousPrefixError: more than one does.
        """

    @abstractmethod
    def resolve_target(self, text: str) -> Target:
        """The target that `text` means: its JSON, a prefix of its id, or a kind or arch that only one target has.

        Raises:
            NotFoundError: no target of the store is meant.
            AmbiguousPrefixError: more than one is; the message lists them.
        """

    @abstractmethod
    def module(self, module_id: str) -> Workload:
        """The workload row of one module. Raises: NotFoundError."""

    @abstractmethod
    def modules(self, workload_id: str) -> list[Workload]:
        """All modules of a workload, the newest TVM release first."""

    @abstractmethod
    def targets(self) -> list[Target]:
        """All targets."""

    @abstractmethod
    def hardware(self) -> list[Hardware]:
        """All machines."""

    @abstractmethod
    def sources(self) -> list[Source]:
        """All sources, oldest first."""

    @abstractmethod
    def modules_hashed(self, structural_hash: str) -> list[Workload]:
        """All modules with this structural hash, decimal as TVM wrote it. Releases differ in it."""

    @abstractmethod
    def best(
        self, workload_id: str, target_id: str | None = None, limit: int = 1, *, module_id: str | None = None
    ) -> list[Trial]:
        """The `limit` fastest good trials by median run time, one for each distinct trace, fastest first.

        Args:
            workload_id: of which workload.
            target_id: of which target; None takes all together: only to show them next to each other.
            limit: how many at most.
            module_id: only those that were recorded with this module; None takes all.
        """

    @abstractmethod
    def trials(
        self,
        workload_id: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
    ) -> Iterator[Trial]:
        """All matching trials, by workload, then source, then position."""

    @abstractmethod
    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        """All trials of a workload on a target whose trace has one of these ids (`tunedb.identity.trace_id`)."""

    @abstractmethod
    def rejected(self) -> Iterator[Rejected]:
        """What could not be read, by uri and line."""

    @abstractmethod
    def target_summaries(self) -> list[TargetSummary]:
        """What was measured of `workloads` for each target on each machine, the most trials first."""

    @abstractmethod
    def stats(self) -> StoreStats:
        """How much the store holds of `workloads` and their trials."""

    @abstractmethod
    def arrow(self, table: str) -> Any:
        """One of the store's tables as it stands, for other engines: a `pyarrow.Table` or `pyarrow.dataset.Dataset`.

        Its columns are those of `tunedb.store.schema`. A key may stand in more than one row: take one row a key.

        Args:
            table: "trials", "workloads", "instructions", "targets", "hardware", "sources" or "quarantine".
        """

    @abstractmethod
    def problems(self) -> list[str]:
        """What is wrong with the store, for people; empty when it is sound."""

    @abstractmethod
    def compact(self, grace: timedelta = timedelta(days=7)) -> list[CompactedTable]:
        """Makes reading fast again after many small appends, while writers and readers go on.

        Args:
            grace: versions that were superseded longer ago than this can no longer be opened.

        Raises:
            StoreError: the store cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections; the store must not be used afterwards."""

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
