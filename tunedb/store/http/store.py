"""A store that a service keeps: the contract over HTTP. While the service is away, what is appended waits on disk.

Questions are asked of the service. SQL is not: its tables are fetched, and it is answered here. What an append returns
from is durable, here or there; until it is there, questions do not see it.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from typing_extensions import override

from tunedb.errors import AccessError, StoreAwayError, StoreError, StoreSchemaError, UsageError, first_line
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
    StoreStats,
    Target,
    TargetSummary,
    Trial,
    TrialGroup,
    Verdict,
    Workload,
    WorkloadSummary,
)
from tunedb.store import schema
from tunedb.store.artifacts import Artifacts
from tunedb.store.batch import Batch
from tunedb.store.contract import Store
from tunedb.store.http import wire
from tunedb.store.http.artifacts import HttpArtifacts
from tunedb.store.http.connection import Connection
from tunedb.store.http.credentials import spool_root
from tunedb.store.http.leases import HttpLeases
from tunedb.store.http.spool import Sent, Spool
from tunedb.store.leases import Leases
from tunedb.store.tables import TableReader

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

_PUSH_SECS = 30.0
_COPIED = 1 << 20


class About(msgspec.Struct):
    """What a service says of itself."""

    tunedb: str
    schema_version: int
    sender: str = ""  # the name of the token that it was asked with


class HttpStore(TableReader, Store):
    """Keeps the contract of `Store` by asking a service.

    Args:
        url: of the service.
        options: `token`, `token_file`, `ca_file`, `spool`; the environment tells what is not there
            (`tunedb.store.http.credentials`).

    Raises:
        UsageError: the URL or the token is not as it should be.
        StoreAwayError: there is no service.
        AccessError: it refuses.
        StoreSchemaError: its store has another schema version.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        given = dict(options or {})
        self._connection = Connection(url, given)
        self._artifacts = HttpArtifacts(self._connection)
        self.spool = Spool(spool_root(given), self._connection.url)
        self._sending = threading.Lock()
        self._is_told, self._reason = False, ""  # that something waits, and why
        about: About = wire.decode(
            self._connection.ask("GET", "/v1/about", wants=wire.MESSAGE), About, "the service's answer"
        )
        self._reader: str = about.sender
        if about.schema_version != schema.SCHEMA_VERSION:
            raise StoreSchemaError(
                f"the service at {url} keeps a store of schema version {about.schema_version}, and this tunedb speaks "
                f"{schema.SCHEMA_VERSION}: use tunedb {about.tunedb} here, or update the service",
                found=about.schema_version,
                expected=schema.SCHEMA_VERSION,
            )

    @property
    @override
    def url(self) -> str:
        return self._connection.url

    @property
    @override
    def reader(self) -> str:
        return self._reader

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._artifacts

    @property
    @override
    def leases(self) -> Leases:
        return HttpLeases(self._connection)

    # -- questions -------------------------------------------------------------------------------------------------

    def _ask(self, name: str, **arguments: Any) -> Any:
        question = wire.question(name)
        body = wire.encode(question.arguments(**arguments))
        answer = self._connection.ask("POST", f"/v1/store/{name}", body, sends=wire.MESSAGE, wants=wire.MESSAGE)
        return wire.decode(answer, question.answer, "the service's answer")

    @contextmanager
    def _messages(self, name: str, **arguments: Any) -> Iterator[Iterator[bytes]]:
        body = wire.encode(wire.question(name).arguments(**arguments))
        given = {"sends": wire.MESSAGE, "wants": wire.FRAMES}
        with self._connection.stream(f"/v1/store/{name}", body, **given) as read:
            yield wire.unframed(read)

    @override
    def version(self) -> str:
        return cast(str, self._ask("version"))

    @override
    def stats(self) -> StoreStats:
        return dataclasses.replace(cast(StoreStats, self._ask("stats")), url=self.url)

    @override
    def workloads(self) -> list[WorkloadSummary]:
        return cast(list[WorkloadSummary], self._ask("workloads"))

    @override
    def workload(self, workload_id: str) -> Workload:
        return cast(Workload, self._ask("workload", workload_id=workload_id))

    @override
    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        return cast(WorkloadSummary, self._ask("resolve_workload", prefix=prefix))

    @override
    def module(self, module_id: str) -> Module:
        return cast(Module, self._ask("module", module_id=module_id))

    @override
    def modules(self, workload_id: str) -> list[Module]:
        return cast(list[Module], self._ask("modules", workload_id=workload_id))

    @override
    def modules_hashed(self, structural_hash: str) -> list[Module]:
        return cast(list[Module], self._ask("modules_hashed", structural_hash=structural_hash))

    @override
    def targets(self) -> list[Target]:
        return cast(list[Target], self._ask("targets"))

    @override
    def target_summaries(self) -> list[TargetSummary]:
        return cast(list[TargetSummary], self._ask("target_summaries"))

    @override
    def hardware(self) -> list[Hardware]:
        return cast(list[Hardware], self._ask("hardware"))

    @override
    def sources(self) -> list[Source]:
        return cast(list[Source], self._ask("sources"))

    @override
    def deliveries(self) -> list[Delivery]:
        return cast(list[Delivery], self._ask("deliveries"))

    @override
    def rejected(self) -> Iterator[Rejected]:
        with self._messages("rejected") as messages:
            yield from wire.rejected_of(messages)

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
        given = {"workload_id": workload_id, "target_id": target_id, "limit": limit, "module_id": module_id}
        return cast(list[Trial], self._ask("best", **given, conditions=conditions))

    @override
    def schedules(
        self, workload_id: str, target_id: str, limit: int | None = None, *, conditions: str = DEFAULT_CONDITIONS
    ) -> list[Schedule]:
        given = {"workload_id": workload_id, "target_id": target_id, "limit": limit, "conditions": conditions}
        return cast(list[Schedule], self._ask("schedules", **given))

    @override
    def trials(
        self,
        workload_id: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
        conditions: str | None = None,
    ) -> Iterator[Trial]:
        given = {"workload_id": workload_id, "target_id": target_id, "outcome": outcome, "conditions": conditions}
        with self._messages("trials", **given) as messages:
            yield from wire.trials_of(messages)

    @override
    def trial(self, prefix: str) -> Trial:
        return cast(Trial, self._ask("trial", prefix=prefix))

    @override
    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        given = {"workload_id": workload_id, "target_id": target_id, "trace_ids": list(trace_ids)}
        return cast(list[Trial], self._ask("trials_of_traces", **given))

    @override
    def pool_summaries(self, workload_ids: Collection[str] | None = None) -> list[PoolSummary]:
        given = None if workload_ids is None else list(workload_ids)
        return cast(list[PoolSummary], self._ask("pool_summaries", workload_ids=given))

    @override
    def trial_groups(self) -> list[TrialGroup]:
        return cast(list[TrialGroup], self._ask("trial_groups"))

    @override
    def verdicts(self, workload_id: str | None = None, target_id: str | None = None) -> list[Verdict]:
        return cast(list[Verdict], self._ask("verdicts", workload_id=workload_id, target_id=target_id))

    # -- tables ----------------------------------------------------------------------------------------------------

    @override
    def _dataset(self, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.dataset as ds

        schema.checked_table(name)
        with tempfile.TemporaryFile(prefix="tunedb-") as file:
            with self._connection.stream(f"/v1/tables/{name}", wants=wire.ARROW) as read:
                while piece := read(_COPIED):
                    file.write(piece)
            file.flush()
            with self._explained():
                mapped = pa.memory_map(f"/proc/self/fd/{file.fileno()}")
                return ds.dataset(pa.ipc.open_stream(mapped).read_all())

    @override
    @contextmanager
    def flat_trials(
        self, workload_id: str | None = None, target_id: str | None = None, top_k: int | None = None
    ) -> Iterator[pa.RecordBatchReader]:
        import pyarrow as pa

        if top_k is not None and top_k < 1:
            raise UsageError(f"top_k is {top_k}; it must be at least 1")
        given: dict[str, Any] = {"workload_id": workload_id, "target_id": target_id, "top": top_k}
        with (
            self._connection.stream("/v1/export", wants=wire.ARROW, format="arrow", **given) as read,
            self._explained(),
        ):
            yield pa.ipc.open_stream(_Readable(read))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"cannot read the store {self.url}: {first_line(error)}") from error

    # -- appending -------------------------------------------------------------------------------------------------

    @property
    @override
    def is_remote(self) -> bool:
        return True

    @override
    def append_batch(self, batch: Batch) -> AppendReport:
        messages = [(body, _num_trials(body)) for body in wire.pushes(batch)]
        reports: list[AppendReport] = []
        with self._sending:
            if messages and self._is_free():
                try:
                    while len(reports) < len(messages):
                        reports.append(self._push(messages[len(reports)][0]))
                except StoreAwayError as error:
                    self._note_away(str(error))
            if left := messages[len(reports) :]:
                self.spool.add(left)
                self._tell_that_it_waits()
                reports = [*reports, _unsent(batch, sum(count for _, count in left))]
        return wire.together(reports)

    def _push(self, body: bytes) -> AppendReport:
        given = {"sends": wire.MESSAGE, "wants": wire.MESSAGE}
        answer = self._connection.ask(
            "POST", "/v1/trials", body, patience_secs=_PUSH_SECS, answer_secs=_PUSH_SECS, **given
        )
        return cast(AppendReport, wire.decode(answer, AppendReport, "the service's receipt"))

    def check_writable(self) -> None:
        """Sends a batch of nothing.

        Raises:
            StoreError: the service is away, or cannot store.
            AccessError: it refuses.
        """
        self._push(wire.encode(wire.Push()))

    def _is_free(self) -> bool:
        """Whether nothing waits that must be sent first, after a try to send it if that is due."""
        if self._connection.is_away:
            return False
        try:
            if self._connection.was_away:
                self._connection.look()
            if self.spool.waiting():
                self._send_spool()
        except (StoreError, AccessError) as error:
            self._note_away(str(error))
            return False
        return not self.spool.waiting()

    def _send_spool(self) -> Sent:
        sent = self.spool.send(self._push)
        self._connection.note_back()
        self._is_told, self._reason = False, ""
        if sent.messages:
            _log.warning("the service at %s is back: %d messages that waited were sent", self.url, sent.messages)
        if sent.refused:
            _log.warning(
                "the service at %s refused %d messages; they are in %s", self.url, sent.refused, self.spool.folder
            )
        return sent

    def _note_away(self, reason: str) -> None:
        self._reason = reason
        self._connection.note_away()

    def _tell_that_it_waits(self) -> None:
        if not self._is_told:
            reason = self._reason or f"the service at {self.url} is away"
            _log.warning("%s; what is appended waits in %s (`tunedb sync` sends it)", reason, self.spool.folder)
        self._is_told = True

    def sync(self) -> Sent:
        """Sends what waits.

        Raises:
            StoreError: the service is away, or cannot store.
            AccessError: it refuses.
        """
        with self._sending:
            return self._send_spool()

    # -- housekeeping ----------------------------------------------------------------------------------------------

    @override
    def problems(self, *, whole: bool = False, on_progress: Callable[[int, int], None] | None = None) -> list[str]:
        path = "/v1/admin/problems" if whole else "/v1/problems"
        answer = self._connection.ask("GET", path, wants=wire.MESSAGE, answer_secs=3_600.0)
        return cast(list[str], wire.decode(answer, list[str], "the service's answer"))

    @override
    def compact(
        self, grace: timedelta = timedelta(days=7), on_progress: Callable[[int, int], None] | None = None
    ) -> list[CompactedTable]:
        if grace < timedelta(0):
            raise UsageError(f"a grace period cannot be negative: {grace}")
        body = wire.encode(grace.total_seconds())
        given: dict[str, Any] = {"sends": wire.MESSAGE, "wants": wire.MESSAGE, "answer_secs": 3_600.0}
        answer = self._connection.ask("POST", "/v1/admin/compact", body, **given)
        return cast(list[CompactedTable], wire.decode(answer, list[CompactedTable], "the service's answer"))

    @override
    def close(self) -> None:
        with self._sending:
            if self.spool.waiting():
                try:
                    self._send_spool()
                except (StoreError, AccessError) as error:
                    waiting = self.spool.waiting()
                    trials = sum(row.trials for row in waiting)
                    _log.warning("%d trials wait in %s: %s; `tunedb sync` sends them", trials, self.spool.folder, error)
        self._connection.close()


class _Readable:
    """A stream of an answer as a file that Arrow reads."""

    closed = False

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def read(self, size: int = -1) -> bytes:
        return self._read(size if size >= 0 else _COPIED)

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


class _Counted(msgspec.Struct):
    trials: list[msgspec.Raw] = []


def _num_trials(body: bytes) -> int:
    return len(msgspec.msgpack.decode(body, type=_Counted).trials)


def _unsent(batch: Batch, trials: int) -> AppendReport:
    """What is said of an append that waits: all of it counts as new until the service says otherwise."""
    outcomes = batch.trials.column("outcome")[-trials:] if trials else []
    failed = sum(outcome != Outcome.OK for outcome in outcomes)
    return AppendReport(added=trials, failed_trials=failed)
