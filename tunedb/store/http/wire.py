"""What a store's client and its service say to each other: questions and answers, pushed batches, streams of trials.

All are MessagePack of `tunedb.records`, decoded against their types; a batch may be JSON as well. The questions follow
from `tunedb.store.contract`, so that one is written down once.
"""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.records import (
    AppendReport,
    Delivery,
    Hardware,
    Module,
    Rejected,
    Sighting,
    Source,
    Target,
    Trial,
    Verdict,
    Workload,
)
from tunedb.store.batch import Batch, TrialColumns, TrialRows, trial_of
from tunedb.store.contract import StoreReader
from tunedb.store.schema import TrialRow

MESSAGE = "application/msgpack"
JSON = "application/json"
FRAMES = "application/vnd.tunedb.frames"  # messages, each after its length of 4 bytes, and a length of 0 at the end
ARROW = "application/vnd.apache.arrow.stream"

ASKED = (
    "version",
    "stats",
    "workloads",
    "workload",
    "resolve_workload",
    "module",
    "modules",
    "modules_hashed",
    "targets",
    "target_summaries",
    "hardware",
    "sources",
    "deliveries",
    "best",
    "schedules",
    "trial",
    "trials_of_traces",
    "pool_summaries",
    "trial_groups",
    "verdicts",
)
"""The questions of the contract that have one answer. Those of tables are answered from the tables' streams."""

STREAMED = ("trials", "rejected")
"""The questions whose answers come piece by piece."""

_PUSHED_ROWS = 2_000
_PUSHED_BYTES = 8 << 20  # of modules
_STREAMED_ROWS = 256


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the contract: what is given with it, and what comes back."""

    name: str
    arguments: type[msgspec.Struct]
    answer: Any  # the type of the answer; of a streamed one, that of an item


@cache
def question(name: str) -> Question:
    """A question by the name of its method in the contract."""
    method = getattr(StoreReader, name)
    hints = typing.get_type_hints(method)
    fields = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        default = () if parameter.default is inspect.Parameter.empty else (parameter.default,)
        fields.append((parameter.name, hints[parameter.name], *default))
    arguments = msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)
    answer = hints["return"]
    return Question(name, arguments, typing.get_args(answer)[0] if name in STREAMED else answer)


def encode(value: Any) -> bytes:
    """A value as MessagePack."""
    return msgspec.msgpack.encode(value)


def decode(content: bytes | bytearray | memoryview, type_: Any, what: str) -> Any:
    """A value of a type, from MessagePack.

    Raises:
        BadInputError: it is not of that type; `what` says what was read.
    """
    try:
        return msgspec.msgpack.decode(content, type=type_)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{what} cannot be read: {error}") from error


def decode_json(content: bytes, type_: Any, what: str) -> Any:
    """A value of a type, from JSON.

    Raises:
        BadInputError: it is not of that type; `what` says what was read.
    """
    try:
        return msgspec.json.decode(content, type=type_)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{what} cannot be read: {error}") from error


# -- pushing -------------------------------------------------------------------------------------------------------


class PushedTrial(msgspec.Struct, forbid_unknown_fields=True):
    """A trial as JSON has it: the fields of `tunedb.store.schema.TrialRow` by name. Bytes are base64."""

    trial_id: str
    workload_id: str
    module_id: str
    target_id: str
    hardware_id: str
    source_id: str
    position: int
    trace_id: str
    instructions_id: str
    postproc: bytes
    decisions: bytes
    args_info: bytes
    run_secs: tuple[float, ...]
    outcome: str
    error: str = ""
    measured_at: datetime | None = None
    conditions: str = "{}"
    first_hardware_id: str = ""


class _Around(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What trials refer to, as far as the store may not have it."""

    instructions: dict[str, bytes] = {}  # by `instructions_id`: what the trials of one design space share
    workloads: list[Workload] = []
    modules: list[Module] = []
    targets: list[Target] = []
    hardware: list[Hardware] = []
    sources: list[Source] = []
    rejected: list[Rejected] = []
    sightings: list[Sighting] = []
    verdicts: list[Verdict] = []
    deliveries: list[Delivery] = []


_AROUND = tuple(name for name in _Around.__struct_fields__ if name != "instructions")


class Push(_Around, forbid_unknown_fields=True, kw_only=True):
    """A batch that is pushed, as MessagePack: a trial is an array of the fields of `TrialRow`, in their order."""

    trials: list[TrialRow] = []

    def batch(self) -> Batch:
        """The batch, of no sender yet."""
        columns = TrialColumns.of(TrialRows(self.trials, dict(self.instructions)))
        return Batch(columns, **{name: getattr(self, name) for name in _AROUND})


class JsonPush(_Around, forbid_unknown_fields=True, kw_only=True):
    """A batch that is pushed, as JSON: a trial is an object."""

    trials: list[PushedTrial] = []

    def push(self) -> Push:
        """The same as of MessagePack.

        Raises:
            BadInputError: a trial's `measured_at` is no time.
        """
        try:
            rows = msgspec.convert([msgspec.structs.astuple(row) for row in self.trials], list[TrialRow])
        except ValueError as error:
            raise BadInputError(f"the trials cannot be read: {error}") from error
        return Push(trials=rows, **{name: getattr(self, name) for name in _Around.__struct_fields__})


def pushes(batch: Batch) -> Iterator[bytes]:
    """A batch as messages that a service takes, in order: what trials refer to first, and none too large.

    Each can be sent again without harm. An empty batch is none.
    """
    around = {name: getattr(batch, name) for name in _AROUND}
    modules = list(_module_groups(batch.modules))
    for group in modules[:-1]:
        yield encode(Push(workloads=batch.workloads, modules=group))
    first = Push(**{**around, "modules": modules[-1] if modules else [], "sightings": []})
    rows = (TrialRow(*values) for piece in batch.trials.pieces for values in zip(*piece, strict=True))
    shared = batch.trials.instructions
    sent = False
    while taken := list(itertools.islice(rows, _PUSHED_ROWS)):
        first.trials = taken
        first.instructions = {row.instructions_id: shared[row.instructions_id] for row in taken}
        yield encode(first)
        first, sent = Push(), True
    first.sightings = batch.sightings
    if batch.sightings or not (sent or batch.is_empty()):
        yield encode(first)


def _module_groups(modules: list[Module]) -> Iterator[list[Module]]:
    group: list[Module] = []
    size = 0
    for module in modules:
        if group and size + len(module.module_json) > _PUSHED_BYTES:
            yield group
            group, size = [], 0
        group.append(module)
        size += len(module.module_json)
    if group:
        yield group


def together(reports: Iterable[AppendReport]) -> AppendReport:
    """What several pushes of one batch did."""
    total = AppendReport()
    for report in reports:
        by_source = dict(total.by_source)
        for source_id, (added, failed) in report.by_source.items():
            before = by_source.get(source_id, (0, 0))
            by_source[source_id] = (before[0] + added, before[1] + failed)
        total = AppendReport(
            total.added + report.added,
            total.duplicates + report.duplicates,
            total.failed_trials + report.failed_trials,
            total.rejected + report.rejected,
            by_source,
        )
    return total


# -- streams -------------------------------------------------------------------------------------------------------


class TrialsFrame(msgspec.Struct, array_like=True):
    """A piece of a stream of trials, and what of their traces was not in an earlier piece."""

    rows: list[TrialRow]
    instructions: dict[str, bytes]


def trial_frames(trials: Iterator[Trial]) -> Iterator[bytes]:
    """Trials as the messages of a stream."""
    known: set[str] = set()
    while taken := list(itertools.islice(trials, _STREAMED_ROWS)):
        rows = TrialRows.of(taken)
        new = {key: shared for key, shared in rows.instructions.items() if key not in known}
        known.update(new)
        yield encode(TrialsFrame(rows.rows, new))


def trials_of(messages: Iterator[bytes]) -> Iterator[Trial]:
    """The trials of a stream's messages."""
    instructions: dict[str, bytes] = {}
    for message in messages:
        frame = decode(message, TrialsFrame, "a piece of the service's answer")
        instructions.update(frame.instructions)
        for row in frame.rows:
            yield trial_of(row, instructions)


def rejected_frames(rejected: Iterator[Rejected]) -> Iterator[bytes]:
    """Rejected pieces of input as the messages of a stream."""
    while taken := list(itertools.islice(rejected, _STREAMED_ROWS)):
        yield encode(taken)


def rejected_of(messages: Iterator[bytes]) -> Iterator[Rejected]:
    """The rejected pieces of a stream's messages."""
    for message in messages:
        yield from decode(message, list[Rejected], "a piece of the service's answer")


def framed(messages: Iterator[bytes]) -> Iterator[bytes]:
    """Messages with their lengths, and the end."""
    for message in messages:
        yield len(message).to_bytes(4, "little") + message
    yield bytes(4)


def unframed(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The messages of a stream.

    Args:
        read: gives so many of its next bytes, or fewer where it ends.

    Raises:
        BadInputError: it ends before its end.
    """
    while True:
        size = int.from_bytes(_exactly(read, 4), "little")
        if size == 0:
            return
        yield _exactly(read, size)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    content = read(size)
    while len(content) < size:
        more = read(size - len(content))
        if not more:
            raise BadInputError("the service's answer is cut off")
        content += more
    return content
