"""Kernel Tuner's results: what an entry of a T4 file (schema 1.0.0) or of a cachefile says of one configuration.

Neither tells a program that could be scheduled again: a trial is a kernel's name, its parameters and their values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import content_hash
from tunedb.ingest.formats import odd_json
from tunedb.program.families import parts_of_words
from tunedb.records import Outcome, Workload
from tunedb.run_times import outcome_of
from tunedb.traces import KERNEL_TUNER

SCHEMA_VERSION = "1.0.0"
"""Of the results that are written; all of 1.x are read."""

OWN = "tunedb"
"""The member of a result that says what T4 has no place for, in files of ours."""

_CONSTRAINTS = "the configuration breaks a constraint of its kernel"
_FAILURES = {
    "timeout": (Outcome.RUN_TIMEOUT, "running took too long"),
    "compile": (Outcome.COMPILE_ERROR, "the kernel did not compile"),
    "runtime": (Outcome.RUN_ERROR, "an error while it ran"),
    "correctness": (Outcome.WRONG_RESULT, "a wrong result"),
    "constraints": (Outcome.FAILED, _CONSTRAINTS),
}
_CACHED_FAILURES = {
    "CompilationFailedConfig": _FAILURES["compile"],
    "RuntimeFailedConfig": _FAILURES["runtime"],
    "InvalidConfig": _FAILURES["constraints"],
    "ErrorConfig": (Outcome.FAILED, ""),
}
_INVALIDITY = {
    Outcome.OK: "correct",
    Outcome.COMPILE_ERROR: "compile",
    Outcome.COMPILE_TIMEOUT: "timeout",
    Outcome.RUN_ERROR: "runtime",
    Outcome.RUN_TIMEOUT: "timeout",
    Outcome.WRONG_RESULT: "correctness",
    Outcome.FAILED: "runtime",  # no run time came of it, and that is all that is known
}
_PER_SECOND = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e9),
}
_NAMED = 80
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one configuration."""

    configuration: Mapping[str, Any]
    outcome: Outcome
    error: str
    run_secs: tuple[float, ...]
    measured_at: datetime | None

    @property
    def instructions(self) -> bytes:
        """What the configurations of a kernel share: the tuner, and the names of the parameters."""
        return msgspec.json.encode([KERNEL_TUNER, sorted(self.configuration)])

    @property
    def decisions(self) -> bytes:
        """The parameters' values, in the order of their names.

        Raises:
            BadInputError: one is no JSON.
        """
        return odd_json.standard(
            [self.configuration[name] for name in sorted(self.configuration)], "in the configuration"
        )


def invalidity_of(outcome: Outcome, error: str) -> str:
    """T4's word for how a trial ended: the inverse of what a reader makes of it."""
    return "constraints" if (outcome, error) == _FAILURES["constraints"] else _INVALIDITY[outcome]


def units_per_second(name: object) -> float:
    """How many of a unit of time make a second.

    Raises:
        BadInputError: there is no such unit.
    """
    if not isinstance(name, str) or name.lower() not in _PER_SECOND:
        raise BadInputError(f"its unit of time is {str(name)[:_SHOWN]!r}: seconds, milliseconds, ... are known")
    return _PER_SECOND[name.lower()]


def decoded(content: bytes) -> dict[str, Any]:
    """An entry; numbers may be NaN.

    Raises:
        BadInputError: it is no JSON object.
    """
    try:
        try:
            entry = msgspec.json.decode(content)
        except ValueError:
            entry = odd_json.decode(content)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise BadInputError("not a JSON object")
    return entry


def t4_result(entry: Mapping[str, Any], per_second: float) -> Result:
    """Reads a result of a T4 file.

    Args:
        entry: the result, decoded.
        per_second: how many of the file's units of time make a second.

    Raises:
        BadInputError: it is no such result.
    """
    configuration, state = entry.get("configuration"), entry.get("invalidity")
    if not isinstance(configuration, dict):
        raise BadInputError("it has no 'configuration' that is an object")
    moment = _moment(entry.get("timestamp"))
    if isinstance(state, str) and state in _FAILURES:
        return Result(configuration, *_FAILURES[state], (), moment)
    if state != "correct":
        known = ", ".join(["correct", *_FAILURES])
        raise BadInputError(f"its 'invalidity' is {str(state)[:_SHOWN]!r}: it is one of {known}")
    if entry.get("correctness") == 0:
        return Result(configuration, *_FAILURES["correctness"], (), moment)
    times = entry.get("times")
    runs = times.get("runtimes") if isinstance(times, dict) else None
    if not runs:
        runs, per_second = _objective(entry, per_second)
    return _measured(configuration, runs, per_second, moment)


def cached_result(entry: Mapping[str, Any], parameters: Sequence[str], objective: str) -> Result:
    """Reads an entry of a cachefile, whose times are milliseconds.

    Args:
        entry: the entry, decoded.
        parameters: the names of the tunable parameters.
        objective: what was tuned for, such as "time".

    Raises:
        BadInputError: it is no such entry.
    """
    missing = [name for name in parameters if name not in entry]
    if missing:
        raise BadInputError(f"it has no value of the parameter {missing[0]!r}")
    configuration = {name: entry[name] for name in parameters}
    moment = _moment(entry.get("timestamp"))
    told = (entry.get("__error__"), entry.get(objective), entry.get("time"))
    for value in told:
        if isinstance(value, str) and value in _CACHED_FAILURES:
            return Result(configuration, *_CACHED_FAILURES[value], (), moment)
    if entry.get("__error__"):
        return Result(configuration, Outcome.FAILED, str(entry["__error__"]), (), moment)
    runs = entry.get("times") or entry.get("time")
    if runs is None:
        raise BadInputError("it has neither 'times' nor 'time', nor a cause of failure")
    return _measured(configuration, runs, 1e3, moment)


def kernel_workload(kernel: str, problem_size: object = None) -> Workload:
    """A kernel as a workload of its own kind.

    Args:
        kernel: its name.
        problem_size: as Kernel Tuner's caller gave it; None where it is not told.

    Raises:
        BadInputError: the size is no JSON.
    """
    sizes = problem_size if isinstance(problem_size, list) else [problem_size]
    words = [kernel, *(["x".join(map(str, sizes))] if problem_size not in (None, "", []) else [])]
    told = {} if problem_size is None else {"problem_size": problem_size}
    signature = odd_json.standard({"kernel": kernel, **told, "tuner": KERNEL_TUNER}, "in the problem size")
    name = " ".join(words)
    family, epilogue, extents = parts_of_words(words)
    return Workload(
        workload_id=content_hash("workload", signature),
        name=name if len(name) <= _NAMED else name[: _NAMED - 3] + "...",
        family=family,
        epilogue=epilogue,
        extents=extents,
        signature=signature.decode(),
    )


def _measured(configuration: Mapping[str, Any], runs: object, per_second: float, moment: datetime | None) -> Result:
    times: list[Any] = runs if isinstance(runs, list) else [runs]
    for time in times:
        if type(time) not in (int, float):
            raise BadInputError(f"among the run times is {str(time)[:_SHOWN]!r}, which is no number")
    outcome, run_secs, error = outcome_of([odd_json.as_float(time) / per_second for time in times])
    return Result(configuration, outcome, error, run_secs, moment)


def _objective(entry: Mapping[str, Any], per_second: float) -> tuple[object, float]:
    """The run time as a measurement, where single runs are not told."""
    measurements = entry.get("measurements")
    for measured in measurements if isinstance(measurements, list) else ():
        if isinstance(measured, dict) and measured.get("name") == "time":
            unit = measured.get("unit")
            return measured.get("value"), units_per_second(unit) if unit else per_second
    raise BadInputError("it is correct and has no run time: neither 'times.runtimes' nor a measurement 'time'")


def _moment(stamp: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment and moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # it says when, not what: the trial is good without
