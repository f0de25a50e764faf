"""Kernel Tuner's result files, T4 and cachefiles, read into trials with all they refer to, whatever is wrong with some.

A result of our own export says of which trial it is, and is believed as far as its ids confirm it. Others have neither
program nor target: their workload is a kernel by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import canonical_target, identified, source, trial_id_of
from tunedb.ingest.formats.detect import Format
from tunedb.ingest.formats.json_elements import Document, Element, read_document, swallowed
from tunedb.ingest.formats.kernel_tuner import (
    OWN,
    SCHEMA_VERSION,
    Result,
    cached_result,
    decoded,
    kernel_workload,
    t4_result,
    units_per_second,
)
from tunedb.ingest.formats.legacy import KEPT_BYTES
from tunedb.ingest.tables import RECORDS, VERDICTS_COLUMN, Record, TrialChecks
from tunedb.machine.hardware import UNKNOWN
from tunedb.records import Hardware, Outcome, Rejected, Source, Target, Trace, Trial, Verdict, Workload

MOST_BYTES = 1 << 30
"""What a file may have: it is held in memory."""

_READINGS = 4
_ROWS = 4096  # that are given together
_BEGINNINGS = {
    Format.T4: re.compile(
        rb'\{\s*"(?:timestamp|configuration|times|invalidity|correctness|objectives|measurements|tunedb)"\s*:'
    ),
    Format.KERNEL_TUNER: re.compile(rb'(?<=\n)[ \t]*"[^"\n]*"\s*:\s*\{'),  # it writes an entry a line
}
_MEMBERS = {Format.T4: "results", Format.KERNEL_TUNER: "cache"}
_SUFFIX = re.compile(r"[-_. ]?(?:t4|results?|cache|cachefile)$", re.IGNORECASE)
_GPU = re.compile(r"nvidia|amd|radeon|geforce|tesla|quadro|titan|instinct|intel.*graphics|\b[rg]tx\b", re.IGNORECASE)
_SHOWN = 60

MachineOf = Callable[[Sequence[bytes]], tuple[Hardware, str]]


@dataclass(slots=True)
class ResultFile:
    """One file of results."""

    path: Path
    form: Format  # `T4` or `KERNEL_TUNER`
    uri: str
    name: str  # within its container: a T4 file does not name its kernel
    detail: Mapping[str, object]  # of its source
    machine_of: MachineOf  # the machine of a log by its first lines, and the id of which its trials' ids are made
    told_machine: Hardware | None = None  # the user's word
    unknown_machine: str = ""  # the name of the machine that nobody told, when trials are of it
    _checks: TrialChecks = field(default_factory=TrialChecks)
    _own: list[tuple[Element, dict[str, Any]]] = field(default_factory=list)
    _foreign: list[tuple[Element, Result]] = field(default_factory=list)
    _bad: list[tuple[int, Rejected]] = field(default_factory=list)
    _machine: tuple[Hardware, str] = (UNKNOWN, "")
    _about: tuple[Workload, Source, Target] | None = None

    def records(self) -> Iterator[tuple[int, Record | Rejected]]:
        """What its trials refer to, but for the targets.

        Yields:
            A line, and a record that stands there, or why it is not believed.

        Raises:
            BadInputError: nothing of the file can be read.
        """
        document, known = self._document()
        read = self._reading(known)
        left, place = list(reversed(document.elements)), -1
        budget = _READINGS * self.path.stat().st_size  # nested without end, entries would be read again and again
        while left:
            place += 1
            element = replace(left.pop(), place=place)
            try:
                if element.fault:
                    raise BadInputError(f"{element.fault}; reading goes on at the next that can be told")
                entry = decoded(element.content)
                own = entry.get(OWN) if self.form is Format.T4 else None
                if isinstance(own, dict):
                    self._own.append((element, own))
                else:
                    self._foreign.append((element, read(entry)))
            except BadInputError as error:
                self._bad.append((element.line, self._of(element, error)))
                if self.form is Format.KERNEL_TUNER and not element.fault and budget > 0:
                    budget -= len(element.content)
                    left += reversed(swallowed(element, _BEGINNINGS[self.form]))
        for name, (column, kind) in RECORDS.items():  # modules after all workloads, wherever they stand
            for element, row in self._own:
                if row.get(name) is not None:
                    found = self._checks.record(column, kind, row[name])
                    yield element.line, self._of(element, found) if isinstance(found, BadInputError) else found
        if self._foreign:
            yield from self._foreign_records(known)

    def verdicts(self) -> Iterator[tuple[int, Verdict | Rejected]]:
        """What was found of the numbers of its schedules: a line, and a verdict, or why it is not believed."""
        for element, row in self._own:
            if row.get(VERDICTS_COLUMN) is not None:
                for found in self._checks.verdicts(row[VERDICTS_COLUMN]):
                    yield element.line, self._of(element, found) if isinstance(found, BadInputError) else found

    def trials(self, add_target: Callable[[Target], None]) -> Iterator[list[tuple[int, Trial | Rejected]]]:
        """Its trials; `records` must have been gone through before.

        Args:
            add_target: called with each target once.

        Yields:
            Some together: the line of each, and its trial, or why it is not believed.
        """
        rows: list[tuple[int, Trial | Rejected]] = list(self._bad)
        if self._about is not None:
            add_target(self._about[2])
        for element, row in self._own:
            found = self._checks.trial(row, add_target)
            rows.append((element.line, self._of(element, found) if isinstance(found, BadInputError) else found))
        for element, result in self._foreign:
            try:
                rows.append((element.line, self._trial(element, result)))
            except BadInputError as error:
                rows.append((element.line, self._of(element, error)))
        for first in range(0, len(rows), _ROWS):
            yield rows[first : first + _ROWS]

    def _document(self) -> tuple[Document, dict[str, Any]]:
        """The file taken apart, and its members but for the results, decoded."""
        if (size := self.path.stat().st_size) > MOST_BYTES:
            raise BadInputError(f"it has {size:,} bytes, and no more than {MOST_BYTES:,} are read: split it")
        wanted = _MEMBERS[self.form]
        document = read_document(self.path.read_bytes(), wanted, _BEGINNINGS[self.form])
        known: dict[str, Any] = {}
        for name, text in document.members.items():
            try:
                known[name] = msgspec.json.decode(text)
            except (ValueError, RecursionError) as error:
                raise BadInputError(f"its {name!r} cannot be read: {error}") from error
        if self.form is Format.T4 and not document.is_closed:  # a tuner that was killed leaves a cachefile open, no T4
            reason = "the file ends before its brackets are closed: it was cut off"
            self._bad.append((0, Rejected(self.uri, 0, reason)))
        return document, known

    def _reading(self, known: Mapping[str, Any]) -> Callable[[dict[str, Any]], Result]:
        """How this file's results are read."""
        if self.form is Format.T4:
            version = known.get("schema_version", SCHEMA_VERSION)
            if not isinstance(version, str) or not version.startswith("1."):
                raise BadInputError(f"it is of T4's schema version {str(version)[:_SHOWN]!r}: 1.x is read")
            about = known.get("metadata")
            unit = about.get("timeunit") if isinstance(about, dict) else None
            per_second = units_per_second("milliseconds" if unit is None else unit)
            return lambda entry: t4_result(entry, per_second)
        names, objective = known.get("tune_params_keys"), known.get("objective", "time")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadInputError("its 'tune_params_keys' are no list of names")
        return lambda entry: cached_result(entry, names, objective if isinstance(objective, str) else "time")

    def _foreign_records(self, known: Mapping[str, Any]) -> Iterator[tuple[int, Record]]:
        device = known.get("device_name")
        device = device if isinstance(device, str) and device.strip() else ""
        kernel = known.get("kernel_name")
        if not isinstance(kernel, str) or not kernel.strip():
            stem = PurePosixPath(self.name).name.removesuffix(".json")
            kernel = _SUFFIX.sub("", stem) or stem or "unknown"
        workload = kernel_workload(kernel.strip(), known.get("problem_size"))
        target = canonical_target({"kind": "unknown", **({"model": device} if device else {})})
        origin = source(self.uri, self.form.value, self.detail)
        self._about = workload, origin, target
        self._machine = self._measured_on(device)
        yield from ((0, record) for record in (workload, origin, self._machine[0]))

    def _measured_on(self, device: str) -> tuple[Hardware, str]:
        if self.told_machine is not None:
            return self.told_machine, ""
        if device:
            kind = "gpu" if _GPU.search(device) else "unknown"
            return identified(replace(UNKNOWN, name=device, kind=kind)), ""
        measured = [element.content for element, result in self._foreign if result.outcome is Outcome.OK]
        machine, first = self.machine_of([(measured or [self._foreign[0][0].content])[0], b""])
        self.unknown_machine = machine.name
        return machine, first

    def _trial(self, element: Element, result: Result) -> Trial:
        assert self._about is not None
        workload, origin, target = self._about
        machine, first = self._machine
        trial = Trial(
            trial_id="",
            workload_id=workload.workload_id,
            module_id="",
            target_id=target.target_id,
            hardware_id=machine.hardware_id,
            source_id=origin.source_id,
            position=element.place,
            trace=Trace(result.instructions, result.decisions),
            args_info=b"[]",
            run_secs=result.run_secs,
            outcome=result.outcome,
            error=result.error,
            measured_at=result.measured_at,
            first_hardware_id=first,
        )
        return replace(trial, trial_id=trial_id_of(trial))

    def _of(self, element: Element, error: BadInputError) -> Rejected:
        where = f"entry {element.key[:_SHOWN]!r}" if element.key else f"{_MEMBERS[self.form]}[{element.place}]"
        return Rejected(self.uri, element.line, f"{where}: {error}", element.content[:KEPT_BYTES])
