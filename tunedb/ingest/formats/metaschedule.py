"""MetaSchedule's JSON databases of every age: reads their lines, one by one, into rows of the store.

A workload line is `[structural hash, base64 of (8-byte length + JSON graph)]`. A record line is
`[workload index, [[instructions, decisions], run_secs, target, args_info]]`. Traces stay bytes: only the part that a
design space's trials share is decoded, once for each that occurs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from tunedb.errors import BadInputError
from tunedb.identity import (
    canonical_target,
    instructions_id,
    program_from_graph,
    trace_id_of_parts,
    trial_id_of_parts,
    unknown_workload,
)
from tunedb.ingest.formats import odd_json
from tunedb.program.arguments import Entry, misfit, read_entry
from tunedb.program.graph import ProgramGraph
from tunedb.records import Module, Rejected, Target, Workload
from tunedb.run_times import outcome_of
from tunedb.store.batch import TrialRows
from tunedb.store.schema import TrialRow
from tunedb.traces import compact_instructions, split_instructions

KEPT_BYTES = 1 << 16  # of a rejected line
_CACHED = 4096  # distinct instructions, targets and arguments remembered while a file is read
_NAMED_ARGS = 60

_WORKLOAD = msgspec.json.Decoder(tuple[str, str])
_Decoded = tuple[int, tuple[tuple[Raw, Raw], list[float] | None, Raw, Raw]]
_RECORD = msgspec.json.Decoder(_Decoded)


def read_workload(line: bytes) -> tuple[Workload, Module]:
    """A workload and its module from their line.

    Raises:
        BadInputError: it is no such line, or holds no tensor program.
    """
    try:
        structural_hash, framed = _WORKLOAD.decode(line)
        content = base64.b64decode(framed, validate=True)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise BadInputError(f"not a workload line: {_reason(line, error)}") from error
    if not structural_hash.isdigit() or not structural_hash.isascii():
        raise BadInputError(f"not a workload line: {structural_hash[:40]!r} is no structural hash")
    length, graph = int.from_bytes(content[:8], "little"), content[8:]
    if length != len(graph):
        raise BadInputError(f"the module has {len(graph)} bytes where {length} are announced")
    return program_from_graph(graph, structural_hash)


class ListedWorkload(msgspec.Struct, array_like=True, frozen=True):
    """A line of a workload file, as far as the records that refer to it must know."""

    workload_id: str
    module_id: str
    entry: Entry


def listed(workload: Workload, module: Module) -> ListedWorkload:
    """What records must know of a workload line."""
    return ListedWorkload(workload.workload_id, module.module_id, read_entry(ProgramGraph(module.module_json)))


@dataclass(slots=True)
class RecordReader:
    """Reads the records of one file into rows that its caller takes away."""

    uri: str
    source_id: str
    hardware_id: str
    add_target: Callable[[Target], None]  # called with each target once
    add_workload: Callable[[Workload], None]  # called with each unknown workload once
    workloads: Sequence[ListedWorkload | None] | None = None  # by index; None: not known
    head: bytes = b""  # the file's first line
    first_hardware_id: str = ""  # of which trials' ids are made, where it is another
    _shared: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    _targets: dict[bytes, str] = field(default_factory=dict)
    _args: dict[bytes, bytes] = field(default_factory=dict)
    _unknown: dict[int, tuple[str, str]] = field(default_factory=dict)
    _fitting: set[tuple[int, bytes, bytes]] = field(default_factory=set)  # index, arguments, instructions

    def read(self, number: int, line: bytes, trials: TrialRows) -> Rejected | None:
        """Appends the line's trial, or says why not; a blank line is neither.

        Args:
            number: the number of the line, from 1.
            line: the line as it stands in the file.
            trials: the rows to append to.
        """
        if not line.strip():
            return None
        try:
            self._read(number, line, trials)
        except BadInputError as error:
            return Rejected(self.uri, number, str(error), line[:KEPT_BYTES].rstrip(b"\r\n"))
        return None

    def _read(self, number: int, line: bytes, trials: TrialRows) -> None:
        index, ((raw_instructions, raw_decisions), run_secs, raw_target, raw_args) = _decoded(line)
        if not run_secs:
            raise BadInputError("the record has no run times")
        outcome, secs, error = outcome_of(run_secs)
        shared_id, shared, postproc = self._instructions(bytes(raw_instructions))
        decisions = _array(bytes(raw_decisions), "the decisions")
        target_id = self._target(bytes(raw_target))
        args = self._args_info(bytes(raw_args))
        workload_id, module_id = self._workload(index, args, shared)
        trace = trace_id_of_parts(shared_id, postproc, decisions)
        trials.instructions[shared_id] = shared
        machine = self.first_hardware_id or self.hardware_id
        identity = trial_id_of_parts(workload_id, module_id, target_id, machine, trace, secs, outcome.value)
        trials.rows.append(
            TrialRow(
                trial_id=identity,
                workload_id=workload_id,
                module_id=module_id,
                target_id=target_id,
                hardware_id=self.hardware_id,
                source_id=self.source_id,
                position=number - 1,
                trace_id=trace,
                instructions_id=shared_id,
                postproc=postproc,
                decisions=decisions,
                args_info=args,
                run_secs=secs,
                outcome=outcome.value,
                error=error,
                first_hardware_id=self.first_hardware_id,
            )
        )

    def _instructions(self, raw: bytes) -> tuple[str, bytes, bytes]:
        shared, postproc = split_instructions(raw)
        known = self._shared.get(shared)
        if known is None:
            canonical = compact_instructions(shared)
            known = (instructions_id(canonical), canonical)
            _remember(self._shared, shared, known)
        return *known, _array(postproc, "the postprocessors' instructions")

    def _target(self, raw: bytes) -> str:
        known = self._targets.get(raw)
        if known is None:
            target = canonical_target(raw)
            self.add_target(target)
            known = target.target_id
            _remember(self._targets, raw, known)
        return known

    def _args_info(self, raw: bytes) -> bytes:
        known = self._args.get(raw)
        if known is None:
            known = _compact(raw, "the arguments' description")
            _remember(self._args, raw, known)
        return known

    def _workload(self, index: int, args: bytes, instructions: bytes) -> tuple[str, str]:
        if self.workloads is not None:
            if not 0 <= index < len(self.workloads):
                raise BadInputError(f"workload index {index} where the workload file has {len(self.workloads)} lines")
            known = self.workloads[index]
            if known is not None:
                self._check_belongs(index, known.entry, args, instructions)
                return known.workload_id, known.module_id
        elif not 0 <= index < 1 << 31:
            raise BadInputError(f"workload index {index}")
        unknown = self._unknown.get(index)
        if unknown is None:
            workload = unknown_workload(self.head, index, _named(args))
            self.add_workload(workload)
            unknown = self._unknown[index] = (workload.workload_id, "")
        return unknown

    def _check_belongs(self, index: int, entry: Entry, args: bytes, instructions: bytes) -> None:
        """Whether a record can be one of the workload that it refers to.

        Raises:
            BadInputError: it describes other arguments, or schedules blocks that the workload has not.
        """
        if (index, args, instructions) in self._fitting:
            return
        if reason := misfit(entry, args, instructions):
            where = f"line {index + 1} of the workload file"
            raise BadInputError(f"it cannot be of {where}: {reason}; is that file another run's?")
        if len(self._fitting) >= _CACHED:
            self._fitting.clear()
        self._fitting.add((index, args, instructions))


def _decoded(line: bytes) -> _Decoded:
    """A record's parts, all but the run times undecoded."""
    try:
        decoded: _Decoded = _RECORD.decode(line)
        if not line.isascii():
            line.decode()
    except (ValueError, RecursionError) as error:
        return _decoded_oddly(line, error)
    return decoded


def _decoded_oddly(line: bytes, error: Exception) -> _Decoded:
    """As `_decoded`, of a line with NaN, Infinity or numbers out of range.

    Raises:
        BadInputError: it is no record for another reason, which is told.
    """
    reason = f"not a record: {_reason(line, error)}"
    try:
        line.decode()
        decoded = odd_json.decode(line)
    except (ValueError, RecursionError):
        raise BadInputError(reason) from error
    match decoded:
        case [int(index), [[instructions, decisions], list(run_secs), target, args]]:
            pass
        case _:
            raise BadInputError(reason) from error
    for secs in run_secs:
        if type(secs) not in (int, float):
            raise BadInputError(
                f"not a record: among its run times is {str(secs)[:40]!r}, which is no number"
            ) from error
    parts = {"the instructions": instructions, "the decisions": decisions, "the target": target, "the arguments": args}
    raw = [Raw(odd_json.standard(part, f"not a record: {what}")) for what, part in parts.items()]
    return index, ((raw[0], raw[1]), [odd_json.as_float(secs) for secs in run_secs], raw[2], raw[3])


def _array(raw: bytes, what: str) -> bytes:
    """A JSON array as TVM writes it, without white space."""
    if raw[:1] != b"[":
        raise BadInputError(f"{what} are no array")
    return _compact(raw, what) if b" " in raw or b"\t" in raw else raw


def _compact(raw: bytes, what: str) -> bytes:
    try:
        return msgspec.json.encode(msgspec.json.decode(raw))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{what} cannot be read: {error}") from error


def _remember(cache: dict[bytes, Any], key: bytes, value: object) -> None:
    if len(cache) >= _CACHED:
        cache.clear()  # a log with that many distinct ones gains nothing from a better rule
    cache[key] = value


def _named(args: bytes) -> str:
    """The arguments' shapes and dtypes, for people; "" where their description is odd."""
    try:
        described = msgspec.json.decode(args, type=list[tuple[str, str, list[int]]])
    except ValueError:
        return ""
    text = ", ".join(f"{'x'.join(map(str, shape))} {dtype}" for _, dtype, shape in described)
    return text if len(text) <= _NAMED_ARGS else text[:_NAMED_ARGS] + "..."


def _reason(line: bytes, error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)
