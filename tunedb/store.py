"""The contract of a store; `tunedb.delta` keeps it on disk and `tunedb.memory` keeps it for tests and dry runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from tunedb.records import (
    AppendReport,
    Hardware,
    Outcome,
    Rejected,
    Source,
    Target,
    Trial,
    Workload,
    WorkloadSummary,
)


class Store(ABC):
    """Tuning records of many workloads, targets and machines.

    Several processes may read and append at once. What `append` has returned from is durable. Everything is
    identified by content: appending the same thing twice adds nothing. Readers see a consistent version.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The folder or URL that was opened."""

    @abstractmethod
    def version(self) -> str:
        """A text that changes whenever a trial is added; models record it as what they were trained on."""

    @abstractmethod
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

    @abstractmethod
    def workloads(self) -> list[WorkloadSummary]:
        """All workloads, by name."""

    @abstractmethod
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """The workload whose id, or one of whose structural hashes, starts with `prefix`.

        Raises:
            NotFoundError: none does.
            AmbiguousPrefixError: more than one does.
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
    def best(self, workload_id: str, target_id: str | None = None, limit: int = 1) -> list[Trial]:
        """The `limit` fastest good trials by median run time, one for each distinct trace, fastest first.

        `target_id=None` takes all targets together; use it only to show them next to each other.
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
    def close(self) -> None:
        """Lets go of connections; the store must not be used afterwards."""

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
