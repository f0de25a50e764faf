"""Brings a store of an earlier schema version to the present one, without losing a row or a reference.

Each table is rewritten in one commit and then given its version in another, what is referred to before what refers to
it, the trials last. A store has the present version when its trials do; until then every other verb refuses it. So a
migration may be killed at any moment: what was committed stays, and the next one goes on from there. Earlier versions
of the tables stay where they are until the store is compacted.

A column that is new gets the default of its field, whatever the version, and a row without checksum gets one. Version 2
was more than that: modules stand apart from workloads, and operator and extents are columns of workloads. Trials that
were measured with flushed caches had been told by their source alone; they get conditions and, because these are part
of what was measured, new ids. Version 3 parts the machines that nobody told: there is one for each source. Trials keep
their ids, which are made of the machine as it was told first; but those with run times that no machine has are failed
ones from then on, by the ids that their logs give them now. Version 4 has two columns more of what trials ran on.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tunedb.errors import BadInputError, NotFoundError, StoreError
from tunedb.identity import conditions_of, program_from_graph, trial_id_of_parts
from tunedb.machine.hardware import UNKNOWN, unknown_machine
from tunedb.program.families import parts_of_words
from tunedb.program.releases import release_order
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Outcome, Workload
from tunedb.run_times import outcome_of
from tunedb.store import schema
from tunedb.store.checksums import checksum_sql, with_checksums
from tunedb.store.delta import paths
from tunedb.store.delta.table import WRITER, store_errors
from tunedb.store.delta.versions import DESCRIPTION, refuse_other_version, schema_version
from tunedb.store.locations import located_tables
from tunedb.store.schema import CHECKSUM, TableSchema, columns_of

_LOG = logging.getLogger(__name__)
_BATCH_ROWS = 16_384
_ATTEMPTS = 3  # as long as somebody writes in the older form meanwhile
_FLUSHED = conditions_of(caches="flushed")
# Modules first: they come out of what version 1 kept in the table of workloads.
_LATER = ("modules", "sightings", "verdicts", "deliveries")  # tables that earlier stores may not have
_ORDER = (schema.MODULES, *(table for table in schema.TABLES if table is not schema.MODULES))


@dataclass(frozen=True, slots=True)
class MigratedTable:
    """What became of one table."""

    table: str
    rows_before: int  # of its older form; 0 for a table that is new
    rows: int


def migrate(
    url: str | Path,
    storage_options: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[MigratedTable]:
    """Brings a store to the present schema version. Nobody else should write meanwhile.

    Args:
        url: the store's folder or URL.
        storage_options: for a URL, how to reach it, in Delta Lake's terms.
        on_progress: called with the number of tables that are done, and with that of all.

    Returns:
        The tables that were rewritten; empty when the store has the present version already.

    Raises:
        NotFoundError: there is no store.
        StoreSchemaError: a later version wrote it, or it is none of tunedb's.
        StoreError: it cannot be read or written; what was done stays, and doing it again goes on.
    """
    root = located_tables(str(url))
    tables = _Tables(root, dict(storage_options) if storage_options is not None else None)
    with store_errors(f"migrate the store at {root}"):
        tables.check()
        migrated = []
        for number, table in enumerate(_ORDER):
            if on_progress is not None:
                on_progress(number, len(_ORDER))
            migrated.append(_migrate_table(tables, table))
        return [done for done in migrated if done is not None]


class _Tables:
    """The tables of a store, whichever version they have."""

    def __init__(self, root: str, options: dict[str, str] | None) -> None:
        self.root, self.options = root, options

    def open(self, name: str) -> Any:
        """A table as it stands now; None when it is not there."""
        url = f"{self.root}/{name}"
        return paths.open_table(url, self.options) if paths.is_table(url, self.options) else None

    def hold_modules(self) -> bool:
        """Whether workloads and modules are one table still, as in schema version 1."""
        return any(field.name == "row_id" for field in self.open("workloads").schema().fields)

    def check(self) -> None:
        """Whether there is a store that can be brought to the present version."""
        present = {table.name: self.open(table.name) for table in schema.TABLES}
        if present["trials"] is None:
            raise NotFoundError(f"there is no store at {self.root}", kind="store", asked=str(self.root))
        for name, delta in present.items():
            if delta is None and name not in _LATER:
                raise StoreError(f"the store at {self.root} has no table {name}: repair it first")
            version = schema.SCHEMA_VERSION if delta is None else schema_version(delta, f"{self.root}/{name}")
            if version > schema.SCHEMA_VERSION:
                refuse_other_version(version, self.root)


def _migrate_table(tables: _Tables, table: TableSchema) -> MigratedTable | None:
    """Rewrites a table if its columns are older ones, and says that it has the present version."""
    url = f"{tables.root}/{table.name}"
    delta = tables.open(table.name)
    is_from_workloads = table is schema.MODULES and tables.hold_modules()
    if delta is not None and not is_from_workloads and schema_version(delta, url) == schema.SCHEMA_VERSION:
        return None
    before = 0 if delta is None else _num_rows(delta)
    attempts = 0
    while delta is None or (is_from_workloads and not attempts) or not _is_converted(delta, table):
        attempts += 1
        if attempts > _ATTEMPTS:
            raise StoreError(f"{url} is written to by an older tunedb: stop it, then migrate again")
        if delta is not None:  # statistics of a column that the new form does not have would be missed
            delta.alter.set_table_properties({"delta.dataSkippingStatsColumns": ",".join(_kept(delta, table))})
        _write(url, table, _rows(tables, table), tables.options)
        delta = tables.open(table.name)
    if table is not schema.WORKLOADS and _num_rows(delta) < before:
        raise StoreError(f"{url} has {_num_rows(delta)} rows where it had {before}: nothing was lost, see its history")
    delta.alter.set_table_properties({"delta.dataSkippingStatsColumns": ",".join(table.statistics)})
    delta.alter.set_table_description(f"{DESCRIPTION} {schema.SCHEMA_VERSION}")
    return MigratedTable(table.name, before, _num_rows(tables.open(table.name)))


def _rows(tables: _Tables, table: TableSchema) -> Any:
    """The rows of a table in its present form."""
    if table is schema.TRIALS:
        return _trials(tables)
    if table in (schema.WORKLOADS, schema.MODULES) and tables.hold_modules():
        workloads, modules = _programs(tables)
        return workloads if table is schema.WORKLOADS else modules
    if tables.open(table.name) is None:
        return table.arrow().empty_table()
    if table is schema.HARDWARE:
        return _with_unknown_machines(_widened(tables, table), tables)
    return _widened(tables, table)


def _write(url: str, table: TableSchema, rows: Any, options: dict[str, str] | None) -> None:
    """Puts rows in the place of all that a table had, in one commit; makes the table if it is not there."""
    import deltalake

    description = f"{DESCRIPTION} {schema.SCHEMA_VERSION}"
    configuration = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)}
    if paths.is_table(url, options):
        delta = paths.open_table(url, options)
    else:
        form = {"schema": table.arrow(), "description": description, "configuration": configuration}
        delta = paths.make_table(url, options, **form)
    deltalake.write_deltalake(
        delta,
        rows,
        mode="overwrite",
        schema_mode="overwrite",
        description=description,
        configuration=configuration,
        writer_properties=WRITER,
        target_file_size=64 << 20,
        post_commithook_properties=paths.hooks(url),
    )


def _is_converted(delta: Any, table: TableSchema) -> bool:
    """Whether a table has its present columns, in all rows: who wrote in the older form meanwhile left some empty."""
    import pyarrow.compute as pc

    rows = delta.to_pyarrow_dataset()
    if not rows.schema.equals(table.arrow()):
        return False
    return int(rows.count_rows(filter=pc.field(CHECKSUM).is_null())) == 0


def _kept(delta: Any, table: TableSchema) -> list[str]:
    """Of the columns with statistics those that both forms have."""
    there = {field.name for field in delta.schema().fields}
    return [column for column in table.statistics if column in there]


def _num_rows(delta: Any) -> int:
    return int(delta.to_pyarrow_dataset().count_rows())


def _widened(tables: _Tables, table: TableSchema) -> Any:
    """The rows of a table, with what older rows have in the columns that are new, and checksums where they lack."""
    import pyarrow as pa
    import pyarrow.compute as pc

    old = tables.open(table.name).to_pyarrow_dataset().to_table()
    columns = {
        field.name: old.column(field.name).cast(field.type)
        if field.name in old.column_names
        else pa.array([table.defaults.get(field.name)] * len(old), field.type)
        for field in table.arrow()
        if field.name != CHECKSUM
    }
    rows = with_checksums(pa.table(columns), table)
    if CHECKSUM in old.column_names:
        kept = pc.coalesce(old.column(CHECKSUM), rows.column(CHECKSUM))
        rows = rows.set_column(rows.num_columns - 1, CHECKSUM, kept)
    return rows.cast(table.arrow())


@cache
def _unknown_machine(source_id: str) -> Hardware:
    """What stands for the machine of a source's trials when nobody told it."""
    return unknown_machine(source_id, "")


def _with_unknown_machines(rows: Any, tables: _Tables) -> Any:
    """The machines, and one for each source whose trials had all been given the one unknown machine."""
    import pyarrow as pa

    with _duckdb() as database:
        database.register("trials", tables.open("trials").to_pyarrow_dataset())
        database.register("sources", tables.open("sources").to_pyarrow_dataset())
        question = """
            SELECT source_id, min(uri) FROM (SELECT DISTINCT source_id FROM trials WHERE hardware_id = ?)
            LEFT JOIN sources USING (source_id) GROUP BY source_id ORDER BY source_id
        """
        sources = database.execute(question, [UNKNOWN.hardware_id]).fetchall()
    there = set(rows.column("hardware_id").to_pylist())
    taken: dict[str, str] = {}
    machines = []
    for source_id, uri in sources:
        machine = unknown_machine(source_id, uri or "", taken)
        taken[machine.name] = machine.hardware_id
        if machine.hardware_id not in there:
            machines.append(machine)
    return pa.concat_tables([rows, _table_of(machines, schema.HARDWARE)])


def _table_of(records: Iterable[Any], table: TableSchema) -> Any:
    """Records as rows of their table."""
    import pyarrow as pa

    told = pa.schema([table.arrow().field(name) for name in table.told()])
    return with_checksums(pa.table(columns_of(records, told.names), schema=told), table)


def _programs(tables: _Tables) -> tuple[Any, Any]:
    """Workloads and modules as two tables, of the rows that held both; a workload is named by its newest release."""
    workloads: dict[str, Workload] = {}
    modules: dict[str, Module] = {}
    old = tables.open("workloads").to_pyarrow_dataset().to_table().to_pylist()
    for row in sorted(old, key=lambda row: release_order(row["tvm_version"] or "")):
        workload_id = row["workload_id"]
        if row["module_id"]:
            modules[row["module_id"]] = Module(
                row["module_id"], workload_id, row["structural_hash"], row["tvm_version"], row["module_json"]
            )
        workloads[workload_id] = _workload(row)
    return _table_of(workloads.values(), schema.WORKLOADS), _table_of(modules.values(), schema.MODULES)


def _workload(row: Mapping[str, Any]) -> Workload:
    """What a row of the older form says of a workload: by its module where that can be read, by its name otherwise."""
    seen = None
    if row["module_json"]:
        try:
            seen = program_from_graph(row["module_json"], row["structural_hash"])[0]
        except BadInputError as error:  # a later release of tunedb may read less: the row stays
            _LOG.warning("the module %s cannot be read: %s", row["module_id"], error)
    if seen is not None and seen.workload_id == row["workload_id"]:
        return seen
    family, epilogue, extents = parts_of_words(row["name"].split(" "))
    return Workload(row["workload_id"], row["name"], family, epilogue, extents, row["signature"])


def _trials(tables: _Tables) -> Any:
    """The trials in their present form, as a stream in the order in which questions select them.

    They are written to a local file first: what is being written cannot be read by way of Delta Lake meanwhile.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sources = tables.open("sources").to_pyarrow_dataset().to_table(["source_id", "detail"]).to_pylist()
    flushed = {row["source_id"] for row in sources if _is_flushed(row["detail"])}
    arrow = schema.TRIALS.arrow()
    folder = tempfile.TemporaryDirectory(prefix="tunedb-migrate-")
    file = Path(folder.name) / "trials.parquet"
    with _duckdb(folder.name) as database, pq.ParquetWriter(file, arrow, compression="zstd") as writer:
        database.register("old", tables.open("trials").to_pyarrow_dataset())
        rows = database.sql("SELECT * FROM old ORDER BY workload_id, target_id, secs_median")
        for batch in rows.to_arrow_reader(_BATCH_ROWS):
            writer.write_batch(_widened_trials(batch, arrow, flushed))
    columns = ", ".join(schema.TRIALS.columns).replace(CHECKSUM, f"coalesce({CHECKSUM}, {checksum_sql(schema.TRIALS)})")

    def batches() -> Iterator[pa.RecordBatch]:
        with folder, _duckdb(folder.name) as database:
            rows = database.sql(f"SELECT {columns} FROM read_parquet(?)", params=[str(file)])
            for batch in rows.to_arrow_reader(_BATCH_ROWS):
                yield pa.RecordBatch.from_arrays(
                    [batch.column(place).cast(field.type) for place, field in enumerate(arrow)], schema=arrow
                )

    return pa.RecordBatchReader.from_batches(arrow, batches())


def _widened_trials(batch: Any, arrow: Any, flushed: set[str]) -> Any:
    """A batch of trials in their present form, and the ids that follow from what is new of what was measured."""
    import pyarrow as pa

    columns = {name: batch.column(name) for name in batch.schema.names}
    count = batch.num_rows
    known = columns["conditions"].to_pylist() if "conditions" in columns else [None] * count
    first = columns["first_hardware_id"].to_pylist() if "first_hardware_id" in columns else [None] * count
    sources = columns["source_id"].to_pylist()
    conditions = [
        one if one is not None else _FLUSHED if source in flushed else DEFAULT_CONDITIONS
        for one, source in zip(known, sources, strict=True)
    ]
    is_old = [one is None for one in first]
    values = {name: columns[name].to_pylist() for name in ("outcome", "run_secs", "error", "secs_median")}
    changed = {place for place in range(count) if known[place] is None and conditions[place] != DEFAULT_CONDITIONS}
    for place, run_secs in enumerate(values["run_secs"]):
        outcome, kept, reason = outcome_of(run_secs) if is_old[place] and run_secs else (Outcome.OK, run_secs, "")
        if outcome is not Outcome.OK:  # of no machine: it would be best for ever
            changed.add(place)
            told = {"outcome": outcome.value, "run_secs": kept, "error": reason, "secs_median": None}
            for name, value in told.items():
                values[name][place] = value
    if changed:
        ids = columns["trial_id"].to_pylist()
        columns |= {name: pa.array(new, columns[name].type) for name, new in values.items()}
        for place in sorted(changed):
            row = {name: column[place].as_py() for name, column in columns.items()}
            ids[place] = trial_id_of_parts(
                row["workload_id"],
                row["module_id"],
                row["target_id"],
                row["hardware_id"],
                row["trace_id"],
                row["run_secs"],
                row["outcome"],
                conditions[place],
            )
        columns["trial_id"] = pa.array(ids, pa.string())
    columns["conditions"] = pa.array(conditions, pa.string())
    machines = columns["hardware_id"].to_pylist()
    for place in range(count):
        if is_old[place] and machines[place] == UNKNOWN.hardware_id:
            first[place], machines[place] = UNKNOWN.hardware_id, _unknown_machine(sources[place]).hardware_id
    columns["first_hardware_id"] = pa.array([one or "" for one in first], pa.string())
    columns["hardware_id"] = pa.array(machines, pa.string())
    for field in arrow:
        if field.name not in columns:
            columns[field.name] = pa.array([schema.TRIALS.defaults.get(field.name)] * count, field.type)
    return pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in arrow], schema=arrow)


def _is_flushed(detail: str) -> bool:
    try:
        return bool(json.loads(detail or "{}").get("flush_cache"))
    except (ValueError, AttributeError):
        return False


def _duckdb(folder: str = "") -> Any:
    """A database that sorts in a folder what does not fit into memory."""
    import duckdb

    return duckdb.connect(config={"autoinstall_known_extensions": "false", "temp_directory": folder, "TimeZone": "UTC"})
