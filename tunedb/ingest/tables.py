"""What `tunedb export` wrote as a table, read back: trials in Parquet, Arrow and CSV files, with all they refer to.

Nothing of a row is believed but what its ids confirm: they are hashes of the content.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from tunedb.errors import BadInputError, DamagedError, first_line
from tunedb.identity import canonical_target, content_hash, identified, source_id, trial_id_of, with_verdict_id
from tunedb.ingest.formats.detect import Format
from tunedb.records import Hardware, Module, Outcome, Source, Target, Trace, Trial, Verdict, Workload

_BATCH_ROWS = 16_384
_CSV_BLOCK_BYTES = 64 << 20  # longer than any row
RECORDS: dict[str, tuple[str, type]] = {
    "workload_record": ("workload_id", Workload),
    "module_record": ("module_id", Module),
    "hardware_record": ("hardware_id", Hardware),
    "source_record": ("source_id", Source),
}
_TRIAL = (
    "trial_id", "workload_id", "module_id", "target_id", "target", "hardware_id", "source_id", "position", "trace",
    "args_info", "run_secs", "outcome", "error", "measured_at", "conditions",
)  # fmt: skip
NEEDED = (*_TRIAL, *RECORDS)
"""The columns that a file must have. An older one may lack `first_hardware_id` and `VERDICTS_COLUMN`."""
VERDICTS_COLUMN = "verdict_records"  # as `tunedb.query.tabular` writes it

Record = Workload | Module | Hardware | Source


def holds_trials(path: Path, form: Format) -> bool:
    """Whether a file has the columns that are needed.

    Raises:
        DamagedError: it cannot be read.
    """
    with _errors():
        return set(NEEDED) <= set(_schema(path, form))


@contextmanager
def _errors() -> Iterator[None]:
    """Turns Arrow's errors into ours."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"the table cannot be read: {first_line(error)}") from error


@dataclass(slots=True)
class TrialChecks:
    """What of a file's rows its ids confirm; records come before the trials that refer to them."""

    _known: dict[str, set[str]] = field(default_factory=dict)  # by the column of an id: those whose record was good
    _targets: dict[str, Target] = field(default_factory=dict)  # by text

    def record(self, column: str, kind: type, text: str) -> Record | BadInputError:
        """A record that rows refer to, or why it is not believed.

        Args:
            column: of its id.
            kind: its class.
            text: its JSON.
        """
        try:
            record: Record = msgspec.json.decode(text, type=kind)
        except (ValueError, TypeError, RecursionError) as error:
            return BadInputError(f"its {kind.__name__.lower()} cannot be read: {error}")
        identity = getattr(record, column)
        if identity != _identity(record):
            return BadInputError(f"its {kind.__name__.lower()} is not what its id says")
        if isinstance(record, Module) and record.workload_id not in self._known.get("workload_id", ()):
            return BadInputError("its module is of a workload that is not in the file")
        self._known.setdefault(column, set()).add(identity)
        return record

    def trial(self, row: dict[str, Any], add_target: Callable[[Target], None]) -> Trial | BadInputError:
        """The trial of a row, or why it is not believed.

        Args:
            row: by column.
            add_target: called with each target once.
        """
        try:
            trial = _trial_of(row)
            target = self._targets.get(row["target"])
            if target is None:
                target = self._targets[row["target"]] = canonical_target(row["target"])
                add_target(target)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            return BadInputError(f"the row cannot be read: {error}")
        for column, _ in RECORDS.values():
            identity = getattr(trial, column)
            if identity not in self._known.get(column, ()) and not (column == "module_id" and not identity):
                return BadInputError(f"what its {column} stands for is not in the file")
        if target.target_id != trial.target_id:
            return BadInputError("its target is not what its id says")
        if trial.trial_id != trial_id_of(trial):
            return BadInputError("the trial is not what its id says")
        return trial

    def verdicts(self, text: str) -> Iterator[Verdict | BadInputError]:
        """The verdicts of a row, or why they are not believed.

        Args:
            text: the JSON of their list.
        """
        yield from _verdicts(text)


@dataclass(slots=True)
class TrialTable:
    """A file of trials."""

    path: Path
    form: Format
    _checks: TrialChecks = field(default_factory=TrialChecks)

    def check(self) -> None:
        """Reads all of it.

        Raises:
            DamagedError: some of it cannot be read.
        """
        with _errors():
            for batch in _batches(self.path, self.form):
                batch.validate(full=True)

    def records(self) -> Iterator[tuple[int, Record | BadInputError]]:
        """What its trials refer to, but for the targets.

        Yields:
            The number of a row, from 1, and a record that stands there, or why it is not believed.
        """
        with _errors():
            for name, (column, kind) in RECORDS.items():  # modules after all workloads, wherever they stand
                number = 0
                for batch in _batches(self.path, self.form, [name]):
                    for row, text in enumerate(batch.column(name).to_pylist(), number + 1):
                        if text is not None:
                            yield row, self._checks.record(column, kind, text)
                    number += batch.num_rows

    def verdicts(self) -> Iterator[tuple[int, Verdict | BadInputError]]:
        """What was found of the numbers of its schedules.

        Yields:
            The number of a row, from 1, and a verdict that stands there, or why it is not believed.
        """
        with _errors():
            if VERDICTS_COLUMN not in _schema(self.path, self.form):
                return
            number = 0
            for batch in _batches(self.path, self.form, [VERDICTS_COLUMN]):
                for row, text in enumerate(batch.column(VERDICTS_COLUMN).to_pylist(), number + 1):
                    yield from ((row, verdict) for verdict in (self._checks.verdicts(text) if text is not None else ()))
                number += batch.num_rows

    def trials(self, add_target: Callable[[Target], None]) -> Iterator[list[tuple[int, Trial | BadInputError]]]:
        """Its trials; `records` must have been gone through before.

        Args:
            add_target: called with each target once.

        Yields:
            Some rows together: the number of each, from 1, and its trial, or why it is not believed.
        """
        number = 0
        with _errors():
            names = [*_TRIAL, *({"first_hardware_id"} & set(_schema(self.path, self.form)))]
            for batch in _batches(self.path, self.form, names):
                rows = batch.to_pylist()
                yield [(place, self._checks.trial(row, add_target)) for place, row in enumerate(rows, number + 1)]
                number += len(rows)


def _verdicts(text: str) -> Iterator[Verdict | BadInputError]:
    try:
        rows = msgspec.json.decode(text, type=list[dict[str, Any]])
        found = [msgspec.convert({**row, "deviation": _number(row["deviation"])}, Verdict) for row in rows]
        identities = [with_verdict_id(verdict).verdict_id for verdict in found]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        yield BadInputError(f"its verdicts cannot be read: {error}")
        return
    for verdict, identity in zip(found, identities, strict=True):
        yield verdict if verdict.verdict_id == identity else BadInputError("its verdict is not what its id says")


def _number(value: Any) -> Any:
    """A deviation: JSON has no infinity."""
    return math.inf if value is None else value


def _trial_of(row: dict[str, Any]) -> Trial:
    instructions, decisions = msgspec.json.decode(row["trace"], type=tuple[msgspec.Raw, msgspec.Raw])
    secs, moment = row["run_secs"], row["measured_at"]
    return Trial(
        trial_id=row["trial_id"],
        workload_id=row["workload_id"],
        module_id=row["module_id"] or "",
        target_id=row["target_id"],
        hardware_id=row["hardware_id"],
        source_id=row["source_id"],
        position=int(row["position"]),
        trace=Trace(bytes(instructions), bytes(decisions)),
        args_info=row["args_info"].encode(),
        run_secs=tuple(msgspec.json.decode(secs, type=list[float]) if isinstance(secs, str) else secs or ()),
        outcome=Outcome(row["outcome"]),
        error=row["error"] or "",
        measured_at=datetime.fromisoformat(moment) if isinstance(moment, str) else moment,
        conditions=row["conditions"],
        first_hardware_id=row.get("first_hardware_id") or "",
    )


def _identity(record: Record) -> str:
    """The id that a record's content gives."""
    match record:
        case Workload():
            lost = not record.signature and record.workload_id.startswith("unknown-")
            return record.workload_id if lost else content_hash("workload", record.signature)
        case Module():
            return content_hash("module", record.module_json)
        case Hardware():
            return identified(record).hardware_id
        case Source():
            return source_id(record.uri, record.format, record.detail)


def _schema(path: Path, form: Format) -> list[str]:
    if form is Format.PARQUET:
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    if form is Format.ARROW:
        with pa.OSFile(str(path)) as file:
            return list(pa.ipc.open_file(file).schema.names)
    with path.open("rb") as lines:
        return [name.strip('"') for name in lines.readline(1 << 16).decode("utf-8", "replace").strip().split(",")]


def _batches(path: Path, form: Format, names: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    if form is Format.PARQUET:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield from parquet.iter_batches(_BATCH_ROWS, columns=names)
    elif form is Format.ARROW:
        with pa.OSFile(str(path)) as file:
            arrow = pa.ipc.open_file(file)
            for number in range(arrow.num_record_batches):
                batch = arrow.get_batch(number)
                yield batch if names is None else batch.select(names)
    else:
        from pyarrow import csv

        texts = {name: pa.string() for name in _schema(path, form)}
        with csv.open_csv(
            path,
            read_options=csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=texts,
                include_columns=names or [],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        ) as reader:
            yield from reader
