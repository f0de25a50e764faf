"""The logs of tuners before MetaSchedule: reads what AutoTVM's and Ansor's have in common.

Both write a task by name, not as a module that a schedule could be replayed on, and TVM has dropped both tuners. Their
records tell how fast which hardware was with which tiling; `autotvm.py` and `ansor.py` say where it stands in a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import canonical_target, content_hash, instructions_id, trace_id_of_parts, trial_id_of_parts
from tunedb.ingest.formats import odd_json
from tunedb.program.families import parts_of_words
from tunedb.records import Outcome, Rejected, Target, Workload
from tunedb.run_times import outcome_of
from tunedb.store.batch import TrialRows
from tunedb.store.schema import TrialRow
from tunedb.traces import NO_POSTPROC

KEPT_BYTES = 1 << 16  # of a rejected line
_RESULTS = ("r", "result")
_NAMED = 80

# `MeasureErrorNo`: AutoTVM's measure.py and auto_scheduler's measure.py number alike.
_ERRORS = {
    1: (Outcome.COMPILE_ERROR, "the schedule could not be instantiated"),
    2: (Outcome.COMPILE_ERROR, "the host code did not compile"),
    3: (Outcome.COMPILE_ERROR, "the device code did not compile"),
    4: (Outcome.RUN_ERROR, "an error while it ran"),
    5: (Outcome.WRONG_RESULT, "a wrong result"),
    6: (Outcome.COMPILE_TIMEOUT, "compiling took too long"),
    7: (Outcome.RUN_TIMEOUT, "running took too long"),
}


_UNTOLD = "error number "


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, as its tuner means it."""

    target: str  # as on TVM's command line
    words: list[str]  # what people call the task
    signature: bytes  # canonical JSON of what makes it this task
    instructions: bytes  # what its trials share: a JSON array that begins with the tuner's name
    decisions: bytes  # the rest of the schedule, a JSON array
    result: object  # [run times in seconds, error number, seconds in all, seconds since 1970]


@dataclass(slots=True)
class OtherTunerReader:
    """Reads the records of one file into rows that its caller takes away."""

    uri: str
    source_id: str
    hardware_id: str
    add_target: Callable[[Target], None]  # called with each target once
    add_workload: Callable[[Workload], None]  # called with each workload once
    entry_of: Callable[[dict[str, Any]], Entry]  # raises BadInputError
    first_hardware_id: str = ""  # of which trials' ids are made, where it is another
    _targets: dict[str, str] = field(default_factory=dict)
    _workloads: dict[bytes, str] = field(default_factory=dict)

    def read(self, number: int, line: bytes, trials: TrialRows) -> Rejected | None:
        """Appends the line's trial, or says why not; comments and blank lines are neither.

        Args:
            number: the number of the line, from 1.
            line: the line as it stands in the file.
            trials: the rows to append to.
        """
        if line.startswith(b"#") or not line.strip():
            return None
        try:
            self._read(number, line, trials)
        except (BadInputError, ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, BadInputError) else f"not a record: {error}"
            return Rejected(self.uri, number, reason, line[:KEPT_BYTES].rstrip(b"\r\n"))
        return None

    def _read(self, number: int, line: bytes, trials: TrialRows) -> None:
        entry = self.entry_of(_decoded(line))
        outcome, error, run_secs, moment = _measurement(entry.result)
        target_id, workload_id = self._target(entry.target), self._workload(entry)
        shared = instructions_id(entry.instructions)
        trace = trace_id_of_parts(shared, NO_POSTPROC, entry.decisions)
        trials.instructions[shared] = entry.instructions
        machine = self.first_hardware_id or self.hardware_id
        identity = trial_id_of_parts(workload_id, "", target_id, machine, trace, run_secs, outcome.value)
        trials.rows.append(
            TrialRow(
                trial_id=identity,
                workload_id=workload_id,
                module_id="",
                target_id=target_id,
                hardware_id=self.hardware_id,
                source_id=self.source_id,
                position=number - 1,
                trace_id=trace,
                instructions_id=shared,
                postproc=NO_POSTPROC,
                decisions=entry.decisions,
                args_info=b"[]",
                run_secs=run_secs,
                outcome=outcome.value,
                error=error,
                measured_at=moment,
                first_hardware_id=self.first_hardware_id,
            )
        )

    def _target(self, text: str) -> str:
        known = self._targets.get(text)
        if known is None:
            target = canonical_target(text)
            self.add_target(target)
            known = self._targets[text] = target.target_id
        return known

    def _workload(self, entry: Entry) -> str:
        known = self._workloads.get(entry.signature)
        if known is None:
            name = " ".join(entry.words)
            family, epilogue, extents = parts_of_words(entry.words)
            workload = Workload(
                workload_id=content_hash("workload", entry.signature),
                name=name if len(name) <= _NAMED else name[: _NAMED - 3] + "...",
                family=family,
                epilogue=epilogue,
                extents=extents,
                signature=entry.signature.decode(),
            )
            self.add_workload(workload)
            known = self._workloads[entry.signature] = workload.workload_id
        return known


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except ValueError:
        record = odd_json.decode(line)
    if not isinstance(record, dict):
        raise BadInputError("not a record: no JSON object")
    for name, part in record.items():
        if name not in _RESULTS:
            odd_json.standard(part, f"not a record: in {name!r}")
    return record


def error_number(outcome: Outcome, error: str) -> int:
    """The number that a log has for a failure, as it was read from one: the inverse of what a reader makes of it."""
    known = next((number for number, failure in _ERRORS.items() if failure == (outcome, error)), 0)
    untold = error.removeprefix(_UNTOLD)
    return known or (int(untold) if untold.isdecimal() else 0)


def _measurement(result: object) -> tuple[Outcome, str, tuple[float, ...], datetime | None]:
    if not isinstance(result, list) or len(result) < 2 or not isinstance(result[0], list):
        raise BadInputError("the result is not [run times, error number, ...]")
    costs, number = result[0], result[1]
    if type(number) is not int:
        raise BadInputError(f"the result's error number is {str(number)[:40]!r}")
    for secs in costs:
        if type(secs) not in (int, float):
            raise BadInputError(f"among the run times is {str(secs)[:40]!r}, which is no number")
    moment = _moment(result[3]) if len(result) > 3 else None
    if number:
        outcome, error = _ERRORS.get(number, (Outcome.FAILED, f"{_UNTOLD}{number}"))
        return outcome, error, (), moment
    if not costs:
        raise BadInputError("the record has no run times")
    outcome, run_secs, error = outcome_of([odd_json.as_float(secs) for secs in costs])
    return outcome, error, run_secs, moment


def _moment(stamp: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(stamp, UTC) if stamp else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None  # it says when, not what: the trial is good without
