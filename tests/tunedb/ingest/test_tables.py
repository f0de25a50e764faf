"""What `tunedb export` writes as a table can be ingested: the same ids, machines, sources and all else."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tunedb.ingest.packing import tar, zipped
from tests.tunedb.logfiles import RECORD_NAME, ansor, autotvm, database, record_line
from tests.tunedb.samples import MACHINE, OTHER_TARGET, SOURCE, verdict
from tunedb import open_store
from tunedb.identity import trace_id, trial_id_of
from tunedb.ingest.formats.detect import Format
from tunedb.ingest.pipeline import ingest
from tunedb.ingest.tables import NEEDED, holds_trials
from tunedb.machine.hardware import hardware_named
from tunedb.query.tabular import COLUMNS, RECORD_COLUMNS, to_arrow, write_file
from tunedb.records import Outcome, Trace, Trial
from tunedb.store.contract import Store
from tunedb.store.memory import MemoryStore

FORMS = ["parquet", "arrow", "csv"]


def full(folder: Path) -> Store:
    """A store with trials of every kind: told machines, unknown ones, failures, conditions, times, older tuners."""
    store = MemoryStore()
    ingest(store, [database(folder / "logs" / "a")], hardware=hardware_named("a named machine"))
    ingest(store, [database(folder / "logs" / "b", [record_line(7), record_line(8, run_secs="[1e10]")])])
    (folder / "logs" / "c").mkdir()
    (folder / "logs" / "c" / RECORD_NAME).write_bytes(record_line(9, index=3) + b"\n")
    (folder / "logs" / "c" / "tune.log").write_text(f"{autotvm()}\n{autotvm(3e-4, error=4)}\n{ansor()}\n")
    (folder / "logs" / "d.json").write_text(ansor(5e-4) + "\n")
    ingest(store, [folder / "logs" / "c", folder / "logs" / "d.json"])
    moment = datetime(2026, 11, 1, 12, 30, 15, 123456, UTC)
    base = next(row for row in store.trials() if row.module_id)
    later = hardware_named("told later")

    def another(number: int, **changes: Any) -> Trial:
        trace = Trace(base.trace.instructions, b"[[1,%d]]" % number)
        changed = dataclasses.replace(base, trace=trace, source_id=SOURCE.source_id, position=number, **changes)
        return dataclasses.replace(changed, trial_id=trial_id_of(changed))

    store.append(
        [
            another(100, conditions='{"caches":"flushed"}', measured_at=moment),
            another(101, run_secs=(), outcome=Outcome.COMPILE_ERROR, error='odd "text",\nand a line\r\n, ""'),
            another(102, target_id=OTHER_TARGET.target_id),
            another(103, hardware_id=later.hardware_id, first_hardware_id=MACHINE.hardware_id),
        ],
        targets=[OTHER_TARGET],
        hardware=[MACHINE, later],
        sources=[SOURCE],
    )
    return store


def contents(store: Store) -> dict[str, Any]:
    """All that trials say and refer to; when a source was added is no part of it."""
    machines = {row.hardware_id: row for row in store.hardware()}
    sources = {row.source_id: dataclasses.replace(row, added_at=None) for row in store.sources()}
    modules = {row.module_id: row for summary in store.workloads() for row in store.modules(summary.workload_id)}
    return {
        row.trial_id: (
            row,
            machines[row.hardware_id],
            sources[row.source_id],
            store.workload(row.workload_id),
            modules.get(row.module_id),
        )
        for row in store.trials()
    }


@pytest.mark.parametrize("kind", ["memory", "delta"])
@pytest.mark.parametrize("form", FORMS)
def test_a_table_comes_back_as_it_was(form: str, kind: str, tmp_path: Path) -> None:
    store = full(tmp_path)
    path = tmp_path / f"trials.{form}"
    rows = write_file(store, path, form)
    again: Store = MemoryStore() if kind == "memory" else open_store(tmp_path / "again")
    report = ingest(again, [path])
    assert (report.records, report.added, report.num_rejected) == (rows, rows, 0)
    assert contents(again) == contents(store)
    assert again.problems() == []
    assert to_arrow(again).sort_by("trial_id").equals(to_arrow(store).sort_by("trial_id"))
    second = ingest(again, [path])
    assert (second.added, second.duplicates) == (0, rows)
    assert ingest(store, [path]).added == 0
    again.close()


@pytest.mark.parametrize("form", FORMS)
def test_verdicts_of_its_schedules_come_along(form: str, tmp_path: Path) -> None:
    store, path = full(tmp_path), tmp_path / f"trials.{form}"
    first, second, *_ = store.trials()
    for trial, deviation in ((first, 1e-6), (first, float("inf")), (second, 0.0)):
        schedule = {"workload_id": trial.workload_id, "target_id": trial.target_id, "trace_id": trace_id(trial.trace)}
        store.append_verdicts([verdict(0, deviation, **schedule)])
    told = store.verdicts()
    store.append_verdicts([verdict(1)])  # of no trial
    rows = write_file(store, path, form)
    again = MemoryStore()
    report = ingest(again, [path])
    assert (report.added, report.num_rejected) == (rows, 0)
    assert again.verdicts() == told
    ingest(again, [path])
    assert again.verdicts() == told


def test_a_verdict_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    store, path = full(tmp_path), tmp_path / "trials.parquet"
    trial = next(store.trials())
    schedule = {"workload_id": trial.workload_id, "target_id": trial.target_id, "trace_id": trace_id(trial.trace)}
    store.append_verdicts([verdict(0, 0.5, **schedule)])
    rows = write_file(store, path, "parquet")
    table = pq.read_table(path)
    for change in (lambda text: text.replace("0.5", "1e-9"), lambda text: text[:-9], lambda _: "[3]"):
        texts = [text and change(text) for text in table.column("verdict_records").to_pylist()]
        place = table.column_names.index("verdict_records")
        pq.write_table(table.set_column(place, "verdict_records", pa.array(texts, pa.string())), path)
        again = MemoryStore()
        report = ingest(again, [path])
        assert (report.added, report.num_rejected, again.verdicts()) == (rows, 1, [])


@pytest.mark.parametrize("packing", ["folder", "tar", "zip", "stream"])
@pytest.mark.parametrize("form", FORMS)
def test_a_table_anywhere(form: str, packing: str, tmp_path: Path) -> None:
    store = full(tmp_path)
    path = tmp_path / "out" / f"trials.{form}"
    rows = write_file(store, path, form)
    content = {path.name: path.read_bytes()}
    again = MemoryStore()
    if packing == "stream":
        with path.open("rb") as stream:
            report = ingest(again, [stream])
    else:
        if packing != "folder":
            (tmp_path / f"packed.{packing}").write_bytes(tar(content) if packing == "tar" else zipped(content))
        report = ingest(again, [path.parent if packing == "folder" else tmp_path / f"packed.{packing}"])
    assert (report.added, report.num_rejected) == (rows, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_csv_that_another_program_saved(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    rows = write_file(full(tmp_path), path, "csv")
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    report = ingest(MemoryStore(), [path])
    assert (report.added, report.num_rejected) == (rows, 0)


@pytest.mark.parametrize("form", FORMS)
def test_damage_leaves_nothing(form: str, tmp_path: Path) -> None:
    store = full(tmp_path)
    whole = contents(store)
    path = tmp_path / f"trials.{form}"
    write_file(store, path, form)
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[place] ^= 0x20
        path.write_bytes(bytes(changed))
        again = MemoryStore()
        report = ingest(again, [path])
        found = {row.trial_id for row in again.trials()}
        assert found <= whole.keys()
        assert len(found) == len(whole) or report.num_rejected, place
    path.write_bytes(content[: len(content) // 2])
    assert ingest(MemoryStore(), [path]).num_rejected > 0


def test_changed_rows_are_not_believed(tmp_path: Path) -> None:
    store = full(tmp_path)
    path = tmp_path / "trials.parquet"
    write_file(store, path, "parquet")
    table = pq.read_table(path)
    for column, value in (
        ("run_secs", [1e-9]),
        ("target", '{"kind":"cuda"}'),
        ("hardware_id", "0" * 32),
        ("outcome", "?"),
    ):
        place = table.column_names.index(column)
        values = table.column(column).to_pylist()
        values[0] = value
        pq.write_table(table.set_column(place, table.field(column), pa.array(values, table.field(column).type)), path)
        report = ingest(MemoryStore(), [path])
        assert (report.num_rejected, report.rejected[0].line) == (1, 1), column


def test_a_part_of_the_rows_in_another_order(tmp_path: Path) -> None:
    store = full(tmp_path)
    path = tmp_path / "trials.parquet"
    rows = write_file(store, path, "parquet")
    table = pq.read_table(path)
    pq.write_table(table.take(list(reversed(range(rows)))), path)
    assert ingest(MemoryStore(), [path]).added == rows
    pq.write_table(table.slice(1), path)
    report = ingest(MemoryStore(), [path])
    assert report.added + report.num_rejected == rows - 1
    assert report.num_rejected > 0
    assert all("is not in the file" in row.reason for row in report.rejected)


def test_tables_of_other_columns_are_skipped(tmp_path: Path) -> None:
    database(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    report = ingest(MemoryStore(), [tmp_path])
    assert (report.added, report.skipped_files, report.num_rejected) == (3, 1, 0)


def test_an_export_has_what_is_needed(tmp_path: Path) -> None:
    assert set(NEEDED) <= {*COLUMNS, *RECORD_COLUMNS}
    write_file(full(tmp_path), tmp_path / "x.csv", "csv")
    assert holds_trials(tmp_path / "x.csv", Format.CSV)
