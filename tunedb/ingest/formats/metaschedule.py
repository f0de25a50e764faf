"""MetaSchedule's JSON databases of every age: reads their lines, one by one, into rows of the store.

A workload line is `[structural hash, base64 of (8-byte length + JSON graph)]`. A record line is
`[workload index, [[instructions, decisions], run_secs, target, args_info]]`. Traces stay bytes: only the part that a
design space's trials share is decoded, once for each that occurs.
"""

from __future__ import annotations

import base64
import binascii
import math
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
from tunedb.records import Module, Outcome, Rejected, Target, Workload
from tunedb.store.batch import TrialRows
from tunedb.store.schema import TrialRow
from tunedb.traces import compact_instructions, split_instructions

KEPT_BYTES = 1 << 16  # of a rejected line
_FAILED_SECS = 1e9  # MetaSchedule writes 1e10 for a trial that failed; no run takes 30 years
_CACHED = 4096  # distinct instructions, targets and arguments remembered while a file is read
_NAMED_ARGS = 60

_WORKLOAD = msgspec.json.Decoder(tuple[str, str])
_RECORD = msgspec.json.Decoder(tuple[int, tuple[tuple[Raw, Raw], list[float] | None, Raw, Raw]])


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


@dataclass(slots=True)
class RecordReader:
    """Reads the records of one file into rows that its caller takes away."""

    uri: str
    source_id: str
    hardware_id: str
    add_target: Callable[[Target], None]  # called with each target once
    add_workload: Callable[[Workload], None]  # called with each unknown workload once
    workloads: Sequence[tuple[str, str] | None] | None = None  # (workload_id, module_id) by index; None: not known
    head: bytes = b""  # the file's first line
    _shared: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    _targets: dict[bytes, str] = field(default_factory=dict)
    _args: dict[bytes, bytes] = field(default_factory=dict)
    _unknown: dict[int, tuple[str, str]] = field(default_factory=dict)

    def read(self, number: int, line: bytes, trials: TrialRows) -> Rejected | None:
        """Appends the line's trial, or says why not.

        Args:
            number: the number of the line, from 1.
            line: the line as it stands in the file.
            trials: the rows to append to.
        """
        try:
            self._read(number, line, trials)
        except BadInputError as error:
            return Rejected(self.uri, number, str(error), line[:KEPT_BYTES].rstrip(b"\r\n"))
        return None

    def _read(self, number: int, line: bytes, trials: TrialRows) -> None:
        try:
            index, ((raw_instructions, raw_decisions), run_secs, raw_target, raw_args) = _RECORD.decode(line)
            if not line.isascii():
                line.decode()
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"not a record: {_reason(line, error)}") from error
        outcome, secs = _outcome(run_secs)
        shared_id, shared, postproc = self._instructions(bytes(raw_instructions))
        decisions = _array(bytes(raw_decisions), "the decisions")
        target_id = self._target(bytes(raw_target))
        args = self._args_info(bytes(raw_args))
        workload_id, module_id = self._workload(index, args)
        trace = trace_id_of_parts(shared_id, postproc, decisions)
        trials.instructions[shared_id] = shared
        identity = trial_id_of_parts(workload_id, module_id, target_id, self.hardware_id, trace, secs, outcome)
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
                outcome=outcome,
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

    def _workload(self, index: int, args: bytes) -> tuple[str, str]:
        if self.workloads is not None:
            if not 0 <= index < len(self.workloads):
                raise BadInputError(f"workload index {index} where the workload file has {len(self.workloads)} lines")
            known = self.workloads[index]
            if known is not None:
                return known
        elif not 0 <= index < 1 << 31:
            raise BadInputError(f"workload index {index}")
        unknown = self._unknown.get(index)
        if unknown is None:
            workload = unknown_workload(self.head, index, _named(args))
            self.add_workload(workload)
            unknown = self._unknown[index] = (workload.workload_id, "")
        return unknown


def _outcome(run_secs: list[float] | None) -> tuple[str, tuple[float, ...]]:
    if not run_secs:
        raise BadInputError("the record has no run times")
    for secs in run_secs:
        if not secs > 0 or not math.isfinite(secs):
            raise BadInputError(f"a run time of {secs} seconds")
        if secs >= _FAILED_SECS:
            return Outcome.FAILED.value, ()
    return Outcome.OK.value, tuple(run_secs)


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
    if not line.strip():
        return "a blank line"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)
