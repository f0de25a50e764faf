"""The tables of a store, version 4: they follow from the records, so that a column is written down once.

A table's columns are the fields of its record in `tunedb.records`, by name and type. Trials are the exception: their
traces are split (`TrialRow`), because what the trials of one design space share is stored once, in `instructions`. Each
table's last column, `checksum`, is of all its others (`tunedb.store.checksums`).

A row is never changed in place. A key may stand in more than one row (two processes that append the same thing at
once; a commit that landed although its process was killed before it knew): readers take one row a key.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from tunedb.errors import NotFoundError
from tunedb.records import (
    DEFAULT_CONDITIONS,
    Delivery,
    Hardware,
    Module,
    Rejected,
    Sighting,
    Source,
    Target,
    Verdict,
    Workload,
)

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 4

_Record = TypeVar("_Record")

CHECKSUM = "checksum"

_EPOCH = datetime.fromtimestamp(0, UTC)


class TrialRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row of the table `trials`; the fields that `tunedb.records.Trial` has too mean what they mean there.

    Structs and not objects of ours, because a log of a million trials is read, hashed and handed from process to
    process as these. A new field has a default, which rows of older stores have, and raises `SCHEMA_VERSION`.
    """

    trial_id: str
    workload_id: str
    module_id: str
    target_id: str
    hardware_id: str
    source_id: str
    position: int
    trace_id: str
    instructions_id: str  # the part before the postprocessors: one row of `instructions`
    postproc: bytes  # the instructions from EnterPostproc on, a JSON array
    decisions: bytes
    args_info: bytes
    run_secs: tuple[float, ...]
    outcome: str
    error: str = ""
    measured_at: datetime | None = None
    conditions: str = DEFAULT_CONDITIONS
    first_hardware_id: str = ""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table: its columns, what identifies a row, and those that queries select by."""

    name: str
    key: str  # the column that identifies a row, or several with commas between them
    columns: Mapping[str, str]  # by name: "string", "int64", "double", "binary", "timestamp", "list<double>", ...
    statistics: tuple[str, ...]  # what Delta Lake keeps the bounds of, file by file
    order: tuple[str, ...] = ()  # what the rows of a commit are sorted by
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)  # by column: the table that has it as key
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # by column: what rows of before it have
    computed: tuple[str, ...] = (CHECKSUM,)  # columns that no record has
    is_late: bool = False  # stores of this schema version may lack it: it is empty then, and made when it is written to

    def arrow(self) -> pa.Schema:
        """The columns as Arrow has them."""
        return _arrow_schema(tuple(self.columns.items()))

    def told(self) -> dict[str, str]:
        """The columns that a record tells, with their types: all but the computed ones."""
        return {name: type_ for name, type_ in self.columns.items() if name not in self.computed}

    def selected(self, alias: str = "") -> str:
        """The record's columns as DuckDB is asked for them: times in microseconds, for which it needs no extension.

        Args:
            alias: of the table in the query.
        """
        names = [(f"{alias}.{name}" if alias else name, type_) for name, type_ in self.told().items()]
        return ", ".join(f"epoch_us({name})" if type_ == "timestamp" else name for name, type_ in names)


def _table(
    name: str,
    key: str,
    record: type | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    statistics: tuple[str, ...] = (),
    order: tuple[str, ...] = (),
    references: Mapping[str, str] | None = None,
    computed: tuple[str, ...] = (),
    is_late: bool = False,
) -> TableSchema:
    """A table of a record's fields, with columns before and after them, and a checksum."""
    fields = {**(before or {}), **(typing.get_type_hints(record) if record else {}), **(after or {})}
    columns = {column: _column_type(hint) for column, hint in fields.items()} | {CHECKSUM: "int64"}
    defaults = _defaults(record) if record else {}
    return TableSchema(
        name, key, columns, statistics or (key,), order, references or {}, defaults, (*computed, CHECKSUM), is_late
    )


def _defaults(record: type) -> dict[str, Any]:
    """The defaults of a record's fields, of those that have one."""
    if issubclass(record, msgspec.Struct):
        found = {field.name: field.default for field in msgspec.structs.fields(record)}
        return {name: default for name, default in found.items() if default is not msgspec.NODEFAULT}
    found = {field.name: field.default for field in dataclasses.fields(cast(Any, record))}
    return {name: default for name, default in found.items() if default is not dataclasses.MISSING}


def _column_type(hint: Any) -> str:
    """What a field's type is in a table."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # an optional value: all columns are nullable
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    if typing.get_origin(hint) is tuple:
        return f"list<{_column_type(typing.get_args(hint)[0])}>"
    return {str: "string", int: "int64", float: "double", bytes: "binary", datetime: "timestamp"}[hint]


HARDWARE = _table("hardware", "hardware_id", Hardware)
TARGETS = _table("targets", "target_id", Target)
WORKLOADS = _table("workloads", "workload_id", Workload)
MODULES = _table(
    "modules",
    "module_id",
    Module,
    statistics=("module_id", "workload_id", "structural_hash"),
    references={"workload_id": "workloads"},
)
INSTRUCTIONS = _table("instructions", "instructions_id", before={"instructions_id": str, "instructions": bytes})
SOURCES = _table("sources", "source_id", Source)
QUARANTINE = _table(
    "quarantine",
    "rejected_id",
    Rejected,
    before={"rejected_id": str},
    after={"added_at": datetime},
    statistics=("uri",),
)
# A row names a trial, and a trial may have several; its trial may be gone (removed, set aside), which harms nothing.
SIGHTINGS = _table(
    "sightings", "trial_id, source_id", Sighting, statistics=("trial_id",), references={"source_id": "sources"}
)
# A row may name a source that is gone (removed): it then says nothing.
DELIVERIES = _table("deliveries", "source_id, sender", Delivery, statistics=("source_id",), is_late=True)
# A row refers to nothing that must be there: a schedule may be judged that no trial is of.
VERDICTS = _table(
    "verdicts",
    "verdict_id",
    Verdict,
    statistics=("workload_id",),
    order=("workload_id", "target_id", "trace_id"),
    is_late=True,
)
TRIALS = _table(
    "trials",
    "trial_id",
    TrialRow,
    after={"secs_median": float},  # the median of `run_secs`: NULL for a failed trial
    statistics=("workload_id", "target_id", "secs_median"),
    order=("workload_id", "target_id", "secs_median"),
    references={
        "workload_id": "workloads",
        "module_id": "modules",  # or "", when the log had no module
        "target_id": "targets",
        "hardware_id": "hardware",
        "source_id": "sources",
        "instructions_id": "instructions",
    },
    computed=("secs_median",),
)

NOTES = ("remove", "relabel", "restore")  # formats of sources that say what was done to a store; no trial is theirs

# In the order in which they are written: what a row refers to is there before it.
TABLES = (
    HARDWARE,
    TARGETS,
    WORKLOADS,
    MODULES,
    INSTRUCTIONS,
    SOURCES,
    DELIVERIES,
    QUARANTINE,
    SIGHTINGS,
    VERDICTS,
    TRIALS,
)
BY_NAME = {table.name: table for table in TABLES}


def checked_table(name: str) -> TableSchema:
    """A table by its name.

    Raises:
        NotFoundError: there is no such table.
    """
    if name not in BY_NAME:
        raise NotFoundError(f"a store has no table {name!r}; there are {', '.join(BY_NAME)}", kind="table", asked=name)
    return BY_NAME[name]


def columns_of(records: Iterable[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of records whose fields are named like the table's columns."""
    rows = list(records)
    return {name: [getattr(record, name) for record in rows] for name in names}


def moment(microseconds: int | None) -> datetime | None:
    """A time from DuckDB's `epoch_us`, without a float's rounding."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def record_of(table: TableSchema, row: Sequence[Any], make: type[_Record]) -> _Record:
    """A record from a row of a table, its columns as `TableSchema.selected` asks for them.

    Args:
        table: the table whose columns the row has.
        row: as DuckDB gives it.
        make: the record's class, whose fields are named like the columns.
    """
    values = {
        name: moment(value) if type_ == "timestamp" else tuple(value) if type_.startswith("list<") else value
        for (name, type_), value in zip(table.told().items(), row, strict=True)
    }
    return make(**values)


@cache
def _arrow_schema(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    import pyarrow as pa

    def arrow_type(name: str) -> pa.DataType:
        if name.startswith("list<"):
            return pa.list_(arrow_type(name.removeprefix("list<").removesuffix(">")))
        return pa.timestamp("us", tz="UTC") if name == "timestamp" else pa.type_for_alias(name)

    return pa.schema([(name, arrow_type(type_)) for name, type_ in columns])
