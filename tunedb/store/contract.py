"""The contract of a store: asking, appending and housekeeping, three small interfaces that a store keeps all of.

`tunedb.store.delta` keeps it on disk and in object stores, `tunedb.store.memory` for tests and dry runs. Both pass one
conformance suite (tests/tunedb/store/test_conformance.py), and so must whatever comes next.

**Identity.** Everything is identified by a hash of its content, so there is nothing to create, update or delete:
appending what is there adds nothing.

**Versions.** What an append has returned from is durable, and every question that is asked after it sees it. An answer
is of one version of the store: never half of an append. A question that gives an iterator or a stream is of the version
at which its first item is asked for.

**Threads and processes.** Threads may share a store: every method may be called from any thread at any time, and an
append is not held up by a question. An iterator or a stream belongs to the thread that asked for it. Several processes
may read and append at once. A store does not survive a fork: use `spawn`.

**Ownership.** Who opens a store closes it; what it gave remains valid. Records are values and belong to nobody.

**Conditions.** Latencies that were measured under different conditions (`tunedb.records.DEFAULT_CONDITIONS`) are never
compared: what asks for the best asks for those of one kind of conditions, by default the default ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Self

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
    Source,
    SqlResult,
    StoreStats,
    Target,
    TargetSummary,
    Trial,
    TrialGroup,
    Verdict,
    Workload,
    WorkloadSummary,
)
from tunedb.store.artifacts import Artifacts
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.leases import ArtifactLeases, Leases

if TYPE_CHECKING:
    import pyarrow as pa

SQL_LIMIT_SECS = 30.0


class StoreReader(ABC):
    """Questions. Every one may raise `StoreError`: the store cannot be read."""

    # -- the store itself ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def url(self) -> str:
        """The folder or URL that was opened."""

    @property
    def reader(self) -> str:
        """The name by which `deliveries` knows who asks; "" for whoever keeps the store."""
        return ""

    @property
    @abstractmethod
    def artifacts(self) -> Artifacts:
        """The files that belong to the store: saved models, computed features."""

    @abstractmethod
    def version(self) -> str:
        """A text that changes whenever a trial is added; models record it as what they were trained on."""

    @abstractmethod
    def stats(self) -> StoreStats:
        """How much the store holds of `workloads` and their trials."""

    # -- workloads and their modules -------------------------------------------------------------------------------

    @abstractmethod
    def workloads(self) -> list[WorkloadSummary]:
        """All workloads, by name; not the kernels that tuning calibrates a machine with (`tunedb.machine.kernels`)."""

    @abstractmethod
    def workload(self, workload_id: str) -> Workload:
        """A workload by its whole id.

        Raises:
            NotFoundError: the store does not have it.
        """

    @abstractmethod
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """The workload whose id, or one of whose structural hashes, starts with `prefix`.

        Raises:
            NotFoundError: none does.
            AmbiguousPrefixError: more than one does.
        """

    @abstractmethod
    def module(self, module_id: str) -> Module:
        """A module by its whole id.

        Raises:
            NotFoundError: the store does not have it, or `module_id` is empty: the log had no module.
        """

    @abstractmethod
    def modules(self, workload_id: str) -> list[Module]:
        """All modules of a workload, the newest TVM release first; none when its logs had none."""

    @abstractmethod
    def modules_hashed(self, structural_hash: str) -> list[Module]:
        """All modules with this structural hash, decimal as TVM wrote it. Releases differ in it."""

    # -- targets, machines, sources --------------------------------------------------------------------------------

    @abstractmethod
    def targets(self) -> list[Target]:
        """All targets."""

    @abstractmethod
    def resolve_target(self, text: str) -> Target:
        """The target that `text` means: its JSON, a prefix of its id, or a kind or arch that only one target has.

        Raises:
            NotFoundError: no target of the store is meant.
            AmbiguousPrefixError: more than one is; the message lists them.
        """

    @abstractmethod
    def target_summaries(self) -> list[TargetSummary]:
        """What was measured of `workloads` for each target on each machine, the most trials first."""

    @abstractmethod
    def hardware(self) -> list[Hardware]:
        """All machines."""

    @abstractmethod
    def sources(self) -> list[Source]:
        """All sources, oldest first."""

    @abstractmethod
    def deliveries(self) -> list[Delivery]:
        """Which sources came over a service, and who sent them; by source and sender."""

    @abstractmethod
    def rejected(self) -> Iterator[Rejected]:
        """What could not be read, by uri and line."""

    # -- trials ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def best(
        self,
        workload_id: str,
        target_id: str | None = None,
        limit: int = 1,
        *,
        module_id: str | None = None,
        conditions: str = DEFAULT_CONDITIONS,
    ) -> list[Trial]:
        """The `limit` fastest good trials by median run time, one for each distinct trace, fastest first.

        Args:
            workload_id: the workload whose trials are compared.
            target_id: the target that they were measured for; None takes all together: only to show them next to each
                other.
            limit: how many at most.
            module_id: the module that they were recorded with; None takes all.
            conditions: the conditions that they were measured under.
        """

    @abstractmethod
    def schedules(
        self, workload_id: str, target_id: str, limit: int | None = None, *, conditions: str = DEFAULT_CONDITIONS
    ) -> list[Schedule]:
        """The schedules of a workload for a target, each machine's by themselves, those of the least latency first.

        Args:
            workload_id: the workload.
            target_id: the target.
            limit: how many at most; None takes all.
            conditions: the conditions that they were measured under.
        """

    @abstractmethod
    def trials(
        self,
        workload_id: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
        conditions: str | None = None,
    ) -> Iterator[Trial]:
        """All matching trials, by workload, then source, then position; whatever is None is not asked for."""

    @abstractmethod
    def trial(self, prefix: str) -> Trial:
        """The trial whose id begins with `prefix`.

        Raises:
            NotFoundError: none does.
            AmbiguousPrefixError: more than one does; the message lists some.
        """

    @abstractmethod
    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        """All trials of a workload on a target whose trace has one of these ids (`tunedb.identity.trace_id`)."""

    @abstractmethod
    def pool_summaries(self, workload_ids: Collection[str] | None = None) -> list[PoolSummary]:
        """What was measured of each workload for each target on each machine under each kind of conditions.

        Args:
            workload_ids: the workloads; None takes those that `workloads` lists.
        """

    @abstractmethod
    def trial_groups(self) -> list[TrialGroup]:
        """All trials of `workloads`, counted by workload, target, machine, source, conditions and outcome.

        The quickest look at a whole store: what a page shows of a million trials. In no particular order.
        """

    # -- verdicts --------------------------------------------------------------------------------------------------

    @abstractmethod
    def verdicts(self, workload_id: str | None = None, target_id: str | None = None) -> list[Verdict]:
        """What was found when schedules were compared with the untuned program, the oldest first.

        Which of a schedule's verdicts holds, `tunedb.query.verdicts` says.

        Args:
            workload_id: only of this workload.
            target_id: only for this target.
        """

    # -- tables ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def table(self, name: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """One of the store's tables as it stands, as a stream. A key may stand in more than one row.

        Args:
            name: of a table of `tunedb.store.schema`, whose columns the stream has.
        """

    @abstractmethod
    def flat_trials(
        self, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Trials joined with what they refer to, as a stream, in no particular order; memory does not grow with it.

        Its columns are those of `tunedb.query.tabular.COLUMNS`.

        Args:
            workload_id: only this workload; all that `workloads` lists by default.
            target_id: only this target.
            top_k: only so many of the fastest of each workload, target and kind of conditions; all trials, failed ones
                too, by default.

        Raises:
            UsageError: `top_k` is not positive.
        """

    @abstractmethod
    def sql(self, query: str, *, limit_secs: float = SQL_LIMIT_SECS) -> SqlResult:
        """Answers one SELECT over views of the tables, as docs/sql.md describes them.

        Args:
            query: one SELECT (WITH, FROM, VALUES, DESCRIBE and SHOW are forms of it).
            limit_secs: longest time that it may take.

        Raises:
            UsageError: it is not one SELECT, it reaches for what is locked, it is rejected, or its time was up.
            NotFoundError: it names a table or column that is not there.
        """


class StoreWriter(ABC):
    """Appending. Nothing is ever changed."""

    @abstractmethod
    def append_batch(self, batch: Batch) -> AppendReport:
        """Adds what is not there yet of a batch of rows: `append` for those who bring many.

        Raises:
            UsageError: a trial refers to what neither the store nor the batch has, or the store is open as of an
                earlier version.
            StoreError: the store cannot be written; nothing of the batch's trials counts as added.
        """

    @property
    def is_remote(self) -> bool:
        """Whether an append is mostly a wait for another process, in which this one has better to do."""
        return False

    def append_batches(self, batches: Sequence[Batch]) -> list[AppendReport]:
        """Adds several batches, each as `append_batch` does; a store that can commits them together.

        Args:
            batches: what is added, in this order. Each may have another sender.

        Returns:
            What was added of each.

        Raises:
            UsageError: as `append_batch`, of any of them. What of the others is added then is not said; adding again
                what is there harms nothing.
            StoreError: as `append_batch`.
        """
        return [self.append_batch(batch) for batch in batches]

    def append(
        self,
        trials: Sequence[Trial],
        *,
        workloads: Sequence[Workload] = (),
        modules: Sequence[Module] = (),
        targets: Sequence[Target] = (),
        hardware: Sequence[Hardware] = (),
        sources: Sequence[Source] = (),
        rejected: Sequence[Rejected] = (),
    ) -> AppendReport:
        """Adds what is not there yet. What trials refer to must be there or come along.

        Raises:
            UsageError: see `append_batch`.
            StoreError: the store cannot be written; nothing of `trials` counts as added.
        """
        return self.append_batch(
            Batch(
                TrialColumns.of(TrialRows.of(trials)),
                list(workloads),
                list(modules),
                list(targets),
                list(hardware),
                list(sources),
                list(rejected),
            )
        )

    def append_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Adds those verdicts that are not there yet. What they name need not be in the store.

        Raises:
            UsageError: the store is open as of an earlier version.
            StoreError: the store cannot be written.
        """
        self.append_batch(Batch(verdicts=list(verdicts)))


class StoreMaintenance(ABC):
    """Housekeeping: whoever owns a store does it, while others read and append."""

    @abstractmethod
    def problems(self, *, whole: bool = False, on_progress: Callable[[int, int], None] | None = None) -> list[str]:
        """What is wrong with the store, for people; empty when it is sound.

        Args:
            whole: whether to read every row and compare it with what was written, too.
            on_progress: called with the number of rows that were compared, and with that of all.
        """

    @abstractmethod
    def compact(
        self, grace: timedelta = timedelta(days=7), on_progress: Callable[[int, int], None] | None = None
    ) -> list[CompactedTable]:
        """Makes reading fast again after many small appends, while writers and readers go on.

        Args:
            grace: versions that were superseded longer ago than this can no longer be opened.
            on_progress: called with the number of tables that are done, and with that of all.

        Raises:
            StoreError: the store cannot be written.
        """


class Store(StoreReader, StoreWriter, StoreMaintenance):
    """Tuning records of many workloads, targets and machines; the module says what all stores promise."""

    @property
    def leases(self) -> Leases:
        """Who is at work on what, so that several processes measure nothing twice; kept in the store's own files."""
        return ArtifactLeases(self.artifacts)

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections; the store must not be used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
