"""MetaSchedule's databases kept in SQLite are read as the JSON files that they stand for."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.ingest.packing import tar
from tests.tunedb.logfiles import ansor, database, reasons, record_line, workload_line
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore

RECORDS = [record_line(number, index=number % 2) for number in range(6)]
WORKLOADS = [
    workload_line(structural_hash="12010228769439144051"),
    workload_line(structural_hash="4340129523082937364"),
]
Row = tuple[Any, ...]


def write(path: Path, tables: dict[str, tuple[str, list[Row]]]) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for name, (columns, rows) in tables.items():
            connection.execute(f"CREATE TABLE {name}({columns})")
            for row in rows:
                connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        connection.commit()
    return path


def record_rows() -> list[Row]:
    """As https://github.com/mshr-h/metaschedule_sqlitedatabase has them: Python's and JSON's texts."""
    rows = []
    for line in RECORDS:
        index, (trace, secs, target, args) = json.loads(line)
        rows.append((index, json.dumps(trace), str(secs), json.dumps(target), json.dumps(args)))
    return rows


def workload_rows() -> list[Row]:
    return [tuple(json.loads(line)) for line in WORKLOADS]


RECORD_COLUMNS = "workload_index int, trace text, run_secs text, target text, args_info text"
SIGNED = [(str(int(digits) - (1 << 64)) if int(digits) >= 1 << 63 else digits) for digits, _ in workload_rows()]


def forms() -> dict[str, dict[str, dict[str, tuple[str, list[Row]]]]]:
    """Files by name, tables by name: columns and rows."""
    records, workloads = record_rows(), workload_rows()
    lines = {
        "w": ("line text", [(line.decode(),) for line in WORKLOADS]),
        "r": ("n integer primary key, line text", [(number, line.decode()) for number, line in enumerate(RECORDS)]),
    }
    with_ids = [(number * 10 + 5, *row) for number, row in enumerate(workloads)]
    referring = [(number + 1, row[0] * 10 + 5, *row[1:], "2024-01-01") for number, row in enumerate(records)]
    by_hash = [(workloads[row[0]][0], *row[1:]) for row in records]
    framed = [(int(digits), base64.b64decode(text)) for digits, (_, text) in zip(SIGNED, workloads, strict=True)]
    return {
        "two files": {
            "database_workload.sqlite": {"workload": ("shash text, mod text", workloads)},
            "database_tuning_record.sqlite": {"tuning_record": (RECORD_COLUMNS, records)},
        },
        "one file": {
            "db.sqlite": {"workload": ("shash text, mod text", workloads), "tuning_record": (RECORD_COLUMNS, records)}
        },
        "other names": {
            "tuning.db": {
                "notes": ("a text", [("hello",)]),
                "trials": ("a text, b text, c text, d text, e int", [(*row[1:], row[0]) for row in records]),
                "programs": ("x text, y text", [row[::-1] for row in workloads]),
            }
        },
        "whole lines": {"lines.db": lines},
        "ids": {
            "ids.db": {
                "workloads": ("id integer primary key, hash text, module text", with_ids),
                "records": (
                    "id integer primary key, workload_id int references workloads(id), trace text, secs text, "
                    "target text, args text, at text",
                    referring,
                ),
            }
        },
        "hashes": {
            "hashes.db": {
                "workloads": ("hash text, module text", workloads),
                "records": ("workload text, trace text, secs text, target text, args text", by_hash),
            }
        },
        "binary modules": {
            "blobs.db": {
                "workload": ("hash int, module blob", framed),
                "record": (RECORD_COLUMNS, records),
            }
        },
        "no row numbers": {
            "keys.db": {
                "workload": ("n int primary key, shash text, mod text", [(n, *w) for n, w in enumerate(workloads)]),
                "tuning_record": (RECORD_COLUMNS, records),
            }
        },
    }  # fmt: skip


@pytest.mark.parametrize("form", forms())
def test_a_database_is_read_as_its_json_files(form: str, tmp_path: Path) -> None:
    plain = MemoryStore()
    assert ingest(plain, [database(tmp_path / "plain", RECORDS, WORKLOADS)]).added == 6
    folder = tmp_path / "kept"
    folder.mkdir()
    for name, tables in forms()[form].items():
        if form == "no row numbers":
            write(folder / name, {"tuning_record": tables["tuning_record"]})
            with closing(sqlite3.connect(folder / name)) as connection:
                connection.execute("CREATE TABLE workload(n int primary key, shash text, mod text) WITHOUT ROWID")
                connection.executemany("INSERT INTO workload VALUES (?, ?, ?)", tables["workload"][1])
                connection.commit()
        else:
            write(folder / name, tables)
    store = MemoryStore()
    before = sorted(path.name for path in folder.iterdir())
    report = ingest(store, [folder])
    assert (report.added, report.num_rejected) == (6, 0), report.rejected
    assert {row.trial_id: row.position for row in store.trials()} == {
        row.trial_id: row.position for row in plain.trials()
    }
    assert sorted(path.name for path in folder.iterdir()) == before  # nothing is written beside it
    first = next(path for path in sorted(folder.iterdir()) if "workload" not in path.name)
    assert ingest(MemoryStore(), [first]).added == 6  # alone it finds its workloads too


def test_failed_and_bad_rows(tmp_path: Path) -> None:
    records = record_rows()
    records[1] = (*records[1][:2], "[10000000000.0]", *records[1][3:])
    records[2] = (*records[2][:1], "[[broken", *records[2][2:])
    records[3] = (None, *records[3][1:])
    path = write(
        tmp_path / "db.sqlite",
        {"workload": ("shash text, mod text", workload_rows()), "tuning_record": (RECORD_COLUMNS, records)},
    )
    store = MemoryStore()
    report = ingest(store, [path])
    assert (report.added, report.failed_trials) == (4, 1)
    assert [(name, line) for name, line, _ in reasons(report)] == [
        ("db.sqlite!tuning_record", 3),
        ("db.sqlite!tuning_record", 4),
    ]


def test_logs_of_older_tuners_in_a_column(tmp_path: Path) -> None:
    path = write(tmp_path / "old.db", {"logs": ("id int, record text", [(1, ansor()), (2, ansor(2e-4))])})
    assert ingest(MemoryStore(), [path]).added == 2


def test_databases_without_logs_and_damaged_ones(tmp_path: Path) -> None:
    database(tmp_path)
    write(tmp_path / "other.db", {"people": ("name text, age int", [("x", 3)])})
    good = write(tmp_path / "cut.json", {"workload": ("shash text, mod text", workload_rows())}).read_bytes()
    (tmp_path / "cut.json").write_bytes(good[: len(good) // 2])
    (tmp_path / "packed.sqlite.gz").write_bytes(gzip.compress(good))
    (tmp_path / "packed.tar").write_bytes(tar({"x.sqlite": good}))
    report = ingest(MemoryStore(), [tmp_path])
    assert report.added == 3
    assert [(Path(row.uri).name, row.reason) for row in report.skipped] == [
        ("other.db", "a database without tuning records")
    ]
    found = {name: reason for name, _, reason in reasons(report)}
    assert found.keys() == {"cut.json", "packed.sqlite.gz", "packed.tar!x.sqlite"}
    assert "where it lies in a folder" in found["packed.sqlite.gz"]
    assert reasons(ingest(MemoryStore(), [tmp_path / "other.db"])) == [
        ("other.db", 0, "a database without tuning records")
    ]


def test_what_a_write_ahead_log_holds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE logs(record text)")
    connection.execute("INSERT INTO logs VALUES (?)", (ansor(),))
    connection.commit()
    assert ingest(MemoryStore(), [path]).added == 1
    connection.close()
