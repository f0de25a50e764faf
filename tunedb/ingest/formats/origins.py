"""What tuners' own logs have no place for: the machine, source, conditions and failure of each record.

`tunedb export` writes it beside a database or log, and TVM does not look at it. A line is one of

    {"tunedb_origins":1}            the first one
    {"hardware":{...}}              a machine, before the first record that was measured on it
    {"source":{...}}                a source, before the first record that came from it
    {"trial":{"line":0,...}}        of a line of the record file, from 0

A record is what its origin says only if its id says so too: whatever changed in the record file, nothing false is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import identified, source_id, trial_id_of_parts
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Source, Trial
from tunedb.store.batch import TrialColumns
from tunedb.store.schema import TrialRow

HEAD = b'{"tunedb_origins":1}\n'
_PLACES = {name: place for place, name in enumerate(TrialRow.__struct_fields__)}


class Origin(msgspec.Struct, omit_defaults=True, frozen=True):
    """Where one record comes from; the fields mean what they mean in `tunedb.records.Trial`."""

    line: int  # of the record file, from 0
    trial_id: str
    hardware_id: str
    source_id: str
    position: int
    outcome: str
    error: str = ""
    measured_at: datetime | None = None
    conditions: str = DEFAULT_CONDITIONS
    first_hardware_id: str = ""


class _Line(msgspec.Struct, omit_defaults=True, frozen=True):
    hardware: Hardware | None = None
    source: Source | None = None
    trial: Origin | None = None


_LINE = msgspec.json.Decoder(_Line)


def origins_name(records: str) -> str:
    """Names the file of origins that belongs to a record file."""
    path = PurePosixPath(records)
    custom = "tuning_record" in path.name
    return str(path.with_name(path.name.replace("tuning_record", "tunedb") if custom else f"{path.name}.tunedb.json"))


class OriginWriter:
    """Writes origins."""

    def __init__(self, hardware: Iterable[Hardware], sources: Iterable[Source]) -> None:
        self._hardware = {row.hardware_id: row for row in hardware}
        self._sources = {row.source_id: row for row in sources}

    def lines(self, line: int, trial: Trial) -> bytes:
        """The lines for one record.

        Args:
            line: its line in the record file, from 0.
            trial: what the record is of.
        """
        written = []
        if (machine := self._hardware.pop(trial.hardware_id, None)) is not None:
            written.append(_Line(hardware=machine))
        if (source := self._sources.pop(trial.source_id, None)) is not None:
            written.append(_Line(source=source))
        origin = Origin(
            line=line,
            trial_id=trial.trial_id,
            hardware_id=trial.hardware_id,
            source_id=trial.source_id,
            position=trial.position,
            outcome=trial.outcome.value,
            error=trial.error,
            measured_at=trial.measured_at,
            conditions=trial.conditions,
            first_hardware_id=trial.first_hardware_id,
        )
        return b"".join(msgspec.json.encode(row) + b"\n" for row in [*written, _Line(trial=origin)])


@dataclass(slots=True)
class Origins:
    """Origins as they stand in a file, which is read along with the record file."""

    lines: Iterator[bytes]
    hardware: dict[str, Hardware] = field(default_factory=dict)  # that was met, by id
    sources: dict[str, Source] = field(default_factory=dict)
    _next: Origin | None = None
    _has_ended: bool = False

    def tell(self, trials: TrialColumns) -> int:
        """Gives trials their origins.

        Args:
            trials: trials of the record file, in its order; those of an earlier call come before them.

        Returns:
            How many have none that can be believed.
        """
        untold = 0
        for piece in trials.pieces:
            for row, line in enumerate(list(piece[_PLACES["position"]])):
                origin = self._of(line)
                if origin is None or not self._is_believed(origin, piece, row):
                    untold += 1
                    continue
                for name in origin.__struct_fields__:
                    if name != "line":
                        piece[_PLACES[name]][row] = getattr(origin, name)
        return untold

    def _is_believed(self, origin: Origin, piece: list[list[Any]], row: int) -> bool:
        if origin.hardware_id not in self.hardware or origin.source_id not in self.sources:
            return False
        names = ("workload_id", "module_id", "target_id", "trace_id", "run_secs")
        workload, module, target, trace, secs = (piece[_PLACES[name]][row] for name in names)
        machine = origin.first_hardware_id or origin.hardware_id
        identity = trial_id_of_parts(workload, module, target, machine, trace, secs, origin.outcome, origin.conditions)
        return identity == origin.trial_id

    def _of(self, line: int) -> Origin | None:
        while not self._has_ended and (self._next is None or self._next.line < line):
            self._read()
        return self._next if self._next is not None and self._next.line == line else None

    def _read(self) -> None:
        self._next = None
        try:
            text = next(self.lines, None)
            row = None if text is None else _LINE.decode(text) if text.strip() else _Line()
        except (BadInputError, ValueError, RecursionError):
            row = _Line()  # what it is of has no origin then
        if row is None:
            self._has_ended = True
            return
        if row.hardware is not None and row.hardware == identified(row.hardware):
            self.hardware[row.hardware.hardware_id] = row.hardware
        if row.source is not None:
            identity = source_id(row.source.uri, row.source.format, row.source.detail)
            if identity == row.source.source_id:
                self.sources[identity] = row.source
        self._next = row.trial
