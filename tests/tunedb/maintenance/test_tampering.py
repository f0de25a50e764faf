"""Whatever is changed in a store is found: every column of every table, and every statistic; and `repair` mends it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tunedb import logfiles, samples
from tests.tunedb.maintenance.damage import newest, problems
from tests.tunedb.samples import AROUND, OTHER_TARGET, SOURCE, failed, trial
from tunedb import open_store
from tunedb.identity import source, trial_id_of
from tunedb.ingest.pipeline import ingest
from tunedb.maintenance.repair import repair
from tunedb.records import Delivery, Rejected
from tunedb.store import schema
from tunedb.store.batch import Batch
from tunedb.store.delta.audit import audit
from tunedb.store.delta.table import Table
from tunedb.store.schema import BY_NAME, TABLES

COLUMNS = [(table.name, column) for table in TABLES for column in table.columns]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has rows in every table."""
    folder = tmp_path_factory.mktemp("sound") / "store"
    softmax = samples.workload("softmax")
    with open_store(folder) as store:
        store.append([trial(0), trial(1), failed(2)], **AROUND, rejected=[Rejected("a.json", 3, "not JSON", b"{")])
        store.append([trial(3, target_id=OTHER_TARGET.target_id)], targets=[OTHER_TARGET], workloads=[softmax])
        store.append_verdicts([samples.verdict(0), samples.verdict(1, 0.5)])
        store.append([trial(0, source_id=OTHER.source_id, position=5)], sources=[OTHER])
        store.append_batch(
            Batch(deliveries=[Delivery(one, "board-3", LONG_AGO) for one in (SOURCE.source_id, OTHER.source_id)])
        )
        for table in TABLES:
            with store.table(table.name) as reader:
                assert reader.read_all().num_rows, table.name
    assert problems(folder) == []
    return folder


LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
OTHER = source("logs/another.json", "metaschedule-json")


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def changed(value: Any, type_: str) -> Any:
    """Another value of a column's type."""
    changes: dict[str, Callable[[Any], Any]] = {
        "string": lambda text: "" if text else "x",
        "int64": lambda number: (number or 0) ^ 1,
        "double": lambda secs: secs * 1.0000000001 if secs else 1e-3,
        "binary": lambda content: content[:-1] + b"?",
        "timestamp": lambda at: (at or LONG_AGO).replace(microsecond=1),
    }
    if type_.startswith("list<"):
        inner = type_.removeprefix("list<").removesuffix(">")
        return [changed(one, inner) for one in value] or [1]
    return changes[type_](value)


def tamper(folder: Path, table: str, column: str, change: Callable[[Any], Any]) -> tuple[Path, list[str]]:
    """Changes one row's value in one file of a table, and leaves all others; gives the file, and the row's key."""
    for file in sorted((folder / table).glob("*.parquet")):
        rows = pq.read_table(file).to_pylist()
        for row in rows:
            value = change(row[column])
            if value != row[column]:
                keys = [str(row[name.strip()]) for name in BY_NAME[table].key.split(",")]
                row[column] = value
                keys += [str(row[name.strip()]) for name in BY_NAME[table].key.split(",")]
                pq.write_table(pa.Table.from_pylist(rows, schema=BY_NAME[table].arrow()), file)
                return file, keys
    raise AssertionError(f"{table}.{column} has no value to change")


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(one) for one in COLUMNS])
def test_a_changed_column_is_named(copy: Path, table: str, column: str) -> None:
    file, keys = tamper(copy, table, column, lambda value: changed(value, BY_NAME[table].columns[column]))
    (found,) = [problem for problem in problems(copy) if "not what was written" in problem]
    assert found.startswith(f"{table}: 1 row(s)") and file.name in found
    assert any(key in found for key in keys)


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_column_made_null_is_named(copy: Path, table: str) -> None:
    """All columns of one row of each table, those that may be NULL among them."""
    files = {file: file.read_bytes() for file in (copy / table).glob("*.parquet")}
    tried = 0
    for column in BY_NAME[table].columns:
        for file, content in files.items():
            file.write_bytes(content)
        try:
            tamper(copy, table, column, lambda _: None)
        except AssertionError:  # it is NULL in all rows
            continue
        tried += 1
        broken = [found for found in audit(Table(str(copy), BY_NAME[table])) if not found.is_sound]
        assert [len(found.changed) for found in broken] == [1], column
    assert tried > 2


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_changed_row_is_set_aside(copy: Path, table: str) -> None:
    check_repair(copy, table, BY_NAME[table].key.split(",")[0])


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(one) for one in COLUMNS])
def test_a_row_with_any_changed_column_is_set_aside(copy: Path, table: str, column: str) -> None:
    check_repair(copy, table, column)


def check_repair(folder: Path, table: str, column: str) -> None:
    tamper(folder, table, column, lambda value: changed(value, BY_NAME[table].columns[column]))
    done = repair(folder)
    assert any(row.what.startswith(f"{table}: 1 row(s)") and Path(row.moved_to).exists() for row in done)
    assert problems(folder) == []
    assert repair(folder) == []


def test_what_was_good_stays_when_a_trial_was_changed(copy: Path) -> None:
    tamper(copy, "trials", "args_info", lambda _: b"[]")
    repair(copy)
    with open_store(copy, create=False) as store:
        left = {row.trial_id for row in store.trials()}
        everything = {
            row.trial_id for row in (trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id))
        }
        assert len(left) == 3 and left < everything
        again = [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)]
        assert store.append(again).added == 1
    assert problems(copy) == []


@pytest.mark.parametrize("table", ["workloads", "sources", "hardware", "targets", "modules"])
def test_a_row_that_trials_need_stays_when_its_id_is_right(copy: Path, table: str) -> None:
    column = {"workloads": "name", "sources": "added_at", "hardware": "checksum", "targets": "arch"}.get(
        table, "tvm_version"
    )
    tamper(copy, table, column, lambda value: changed(value, BY_NAME[table].columns[column]))
    repair(copy)
    with open_store(copy, create=False) as store:
        assert len(list(store.trials())) == 4
    assert problems(copy) == []


def last_add(folder: Path, table: str) -> tuple[Path, str]:
    commit = newest(folder, table, "*.json")
    while '"add"' not in commit.read_text():
        commit = commit.with_name(f"{int(commit.stem) - 1:020}.json")
    return commit, commit.read_text()


def flips(text: str) -> list[str]:
    """Texts with one bit of the statistics or the size changed, wherever that leaves JSON that means something else."""
    inside = re.search(r'"stats":"((?:[^"\\]|\\.)*)"', text)
    size = re.search(r'"size":(\d+)', text)
    assert inside and size
    places = [*range(*inside.span(1)), *range(*size.span(1))]
    said = json.loads(json.loads(f'"{inside[1]}"'))
    found = []
    for place in places:
        for bit in (1, 2, 4, 16):
            other = text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :]
            try:
                actions = [json.loads(line) for line in other.splitlines() if line.strip()]
                stats = json.loads(next(line["add"]["stats"] for line in actions if "add" in line))
            except (ValueError, KeyError, StopIteration):
                continue
            if stats != said or inside.span(1)[1] <= place:
                found.append(other)
    return found


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_flipped_bit_of_the_statistics_is_named_and_mended(copy: Path, table: str) -> None:
    check_flips(copy, table, 1)


@pytest.mark.slow
@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_any_flipped_bit_of_the_statistics_is_named_and_mended(copy: Path, table: str) -> None:
    check_flips(copy, table, 10_000)


def check_flips(folder: Path, table: str, count: int) -> None:
    commit, text = last_add(folder, table)
    all_of_them = flips(text)
    for other in all_of_them[:: max(1, len(all_of_them) // count)]:
        commit.write_text(other)
        assert problems(folder), other
        repair(folder)
        assert problems(folder) == []
        for late in commit.parent.glob("*.json"):
            if late.name > commit.name:
                late.unlink()
        commit.write_text(text)
    assert problems(folder) == []


def test_statistics_that_hide_rows_are_mended(copy: Path) -> None:
    commit, text = last_add(copy, "trials")
    with open_store(copy, create=False) as store:
        best = store.best(samples.WORKLOAD.workload_id)
    commit.write_text(text.replace(r"\"minValues\":{\"workload_id\":\"", r"\"minValues\":{\"workload_id\":\"zz"))
    first = commit.with_name(f"{int(commit.stem) - 1:020}.json")
    first.write_text(first.read_text().replace(samples.WORKLOAD.workload_id, "z" * 32))
    assert any("the lowest workload_id" in problem for problem in problems(copy))
    repair(copy)
    with open_store(copy, create=False) as store:
        assert store.best(samples.WORKLOAD.workload_id) == best


def test_rows_that_are_missing_or_doubled_are_seen(copy: Path) -> None:
    file = newest(copy, "trials")
    rows = pq.read_table(file)
    pq.write_table(pa.concat_tables([rows, rows]), file)
    assert any("rows, and it has" in problem for problem in problems(copy))
    repair(copy)
    assert problems(copy) == []
    pq.write_table(rows.slice(0, 0), newest(copy, "trials"))
    assert problems(copy)


def test_a_footer_that_hides_rows_is_seen_and_mended(copy: Path) -> None:
    """By its bounds, queries leave groups of rows out."""
    file = max((copy / "trials").glob("*.parquet"), key=lambda one: one.stat().st_size)
    content = file.read_bytes()
    name = samples.WORKLOAD.workload_id.encode()
    length = 8 + int.from_bytes(content[-8:-4], "little")
    head, footer = content[:-length], content[-length:]
    assert name in footer
    file.write_bytes(head + footer.replace(name, b"z" * 32))
    assert any("footer" in problem for problem in problems(copy))
    repair(copy)
    assert problems(copy) == []
    with open_store(copy, create=False) as store:
        assert len(list(store.trials())) == 4


def test_every_table_has_ids_that_are_computed_again_or_says_why() -> None:
    from tunedb.store.ids import _CHECKS

    assert {table.name for table in TABLES} - set(_CHECKS) == {"sightings", "deliveries"}  # whose key is no hash
    assert schema.TRIALS.key == "trial_id"
    assert dataclasses.is_dataclass(SOURCE)


def test_trials_of_another_program_are_named_and_set_aside(tmp_path: Path) -> None:
    """As stores have them that were filled before a record's arguments were looked at."""
    folder = tmp_path / "store"
    with open_store(folder) as store:
        ingest(store, [logfiles.database(tmp_path / "log")])
        fitting = list(store.trials())
        args = b'[["TENSOR","float32",[9,9]],["TENSOR","float32",[9,9]],["TENSOR","float32",[9,9]]]'
        foreign = [dataclasses.replace(one, args_info=args, run_secs=(one.run_secs[0] / 3,)) for one in fitting]
        store.append([dataclasses.replace(one, trial_id=trial_id_of(one)) for one in foreign])
    (found,) = problems(folder)
    assert found.startswith("3 trials are not of the module") and "9x9" in found
    (done,) = repair(folder)
    assert pq.read_table(done.moved_to).num_rows == 3
    assert problems(folder) == []
    with open_store(folder, create=False) as store:
        assert list(store.trials()) == fitting
