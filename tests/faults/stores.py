"""Stores that are tampered with: every column of every table, and every file of the Delta logs.

- `verify` finds each changed row, and each change of a log after which the store answers otherwise.
- `repair` leaves a sound store: of the rows that nobody touched all are there that refer to nothing that is lost, and
  no other row is. Of a damaged log nothing is lost as long as the Parquet files are whole.
"""

from __future__ import annotations

import json
import math
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from tests.faults.corpus import clean, write
from tests.faults.harness import Fuzzer
from tests.tunedb.samples import AROUND, MACHINE, failed, trial, verdict
from tunedb import open_store
from tunedb.errors import TunedbError
from tunedb.identity import conditions_of
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.maintenance.repair import repair
from tunedb.maintenance.verify import verify
from tunedb.store import schema

Rows = dict[str, Counter[str]]  # of each table: how often each row is there, as text


def prepare_store(store: Path, logs: Path) -> None:
    """A store in which each table has rows, and each column values: of logs, their copies, and of runs."""
    write(logs / "a", clean()["metaschedule"])
    write(logs / "b", clean()["autotvm"])
    write(logs / "b", {"bad.json": b"{}\n", "bad_tuning_record.json": b"[0]\nnull\n"})
    shutil.copytree(logs / "a", logs / "c")  # a trial's other source
    machine = hardware_named("a machine of another name")
    with open_store(store) as opened:
        ingest(opened, [logs / "a"])
        ingest(opened, [logs / "b"], hardware=machine)
        ingest(opened, [logs / "c"])
        moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        for first in (0, 3):
            runs = [trial(first, measured_at=moment), trial(first + 1, conditions=conditions_of(caches="flushed"))]
            opened.append([*runs, failed(first + 2)], **AROUND)
            opened.append_verdicts([verdict(first), verdict(first + 1, 0.5)])
    assert MACHINE.hardware_id != machine.hardware_id


def rows_of(store: Path) -> Rows:
    """All rows of all tables, as Delta Lake reads them."""
    found: Rows = {}
    for table in schema.TABLES:
        rows = deltalake.DeltaTable(str(store / table.name)).to_pyarrow_dataset().to_table().to_pylist()
        found[table.name] = Counter(map(repr, rows))
    return found


def problems_of(store: Path) -> list[str]:
    """What `verify` says; an error of ours counts as said."""
    try:
        with open_store(store, create=False) as opened:
            return verify(opened)
    except TunedbError as error:
        return [str(error)]


_REFERRED = {name for table in schema.TABLES for name in table.references.values()}


class Columns(Fuzzer):
    """One value of a column changed, exchanged with another row's, or a row taken away."""

    name = "columns"
    summary = "any value of any column of any table changed: `verify` finds it, `repair` leaves the rest, sound"
    short, full = 10, 1_200

    def __init__(self) -> None:
        super().__init__()
        self._columns = [(table, column) for table in schema.TABLES for column in table.columns]

    @override
    def prepare(self, folder: Path) -> None:
        self._store = folder / "store"
        prepare_store(self._store, folder / "logs")
        self._clean = rows_of(self._store)
        assert problems_of(self._store) == []

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        table, column = self._columns[number * 37 % len(self._columns)]
        store = folder / "store"
        shutil.copytree(self._store, store)
        if not self._clean[table.name]:
            self.count("nothing to change")
            return
        change = rng.choice((_changed, _changed, _changed, _exchanged, _row_gone))
        touched = change(store / table.name, table, column, rng)
        if touched is None:
            self.count("nothing to change")
            return
        self.count(change.__name__.strip("_").replace("_", " "))
        about = f"{table.name}.{column}, {change.__name__.strip('_')} ({touched[1]}): "
        if not problems_of(store):
            yield about + "`verify` finds nothing"
            return
        repair(store)
        if found := problems_of(store):
            yield about + f"after `repair`: {found[0]}"
            return
        yield from (about + what for what in self._judge(rows_of(store), table.name, touched[0]))

    def _judge(self, left: Rows, tampered: str, touched: list[dict[str, Any]]) -> Iterator[str]:
        """What is wrong with what is left of the clean rows."""
        lost = {tampered: {repr(row) for row in touched}}
        kept = {row[schema.BY_NAME[tampered].key] for row in touched} if tampered in _REFERRED else set()
        for table in schema.TABLES:
            strays = left[table.name].keys() - self._clean[table.name].keys()
            if table.name == tampered and kept:  # what its key is made of is unchanged: good trials need it
                strays = {row for row in strays if _value(row)[table.key] not in kept}
            if strays:
                yield f"after `repair` there is a row of {table.name} that nobody wrote: {next(iter(strays))[:200]}"
            gone = self._clean[table.name].keys() - left[table.name].keys()
            excused = lost.get(table.name, set())
            for row in gone - excused:
                if not self._refers_to_lost(table, row, left):
                    yield f"`repair` takes away an untouched row of {table.name}: {row[:200]}"
                    return

    def _refers_to_lost(self, table: schema.TableSchema, row: str, left: Rows) -> bool:
        values = _value(row)
        for column, name in table.references.items():
            key = schema.BY_NAME[name].key
            if values[column] and not any(_value(other)[key] == values[column] for other in left[name]):
                return True
        # A sighting is of a trial: it may go with it.
        return table.name == "sightings" and not any(
            _value(other)["trial_id"] == values["trial_id"] for other in left["trials"]
        )


def _value(row: str) -> dict[str, Any]:
    import datetime as module

    names = {"datetime": module, "nan": math.nan, "inf": math.inf, "zoneinfo": __import__("zoneinfo")}
    value = eval(row, names)  # noqa: S307 - what `repr` made of a row of our own
    assert isinstance(value, dict)
    return value


Touched = tuple[list[dict[str, Any]], str] | None  # the rows as they were, and what was done, for people


def _file_of(folder: Path, rng: random.Random) -> tuple[Path, pa.Table]:
    live = sorted(deltalake.DeltaTable(str(folder)).file_uris())
    file = folder / rng.choice(live).rpartition("/")[2]
    return file, pq.read_table(file)


def _changed(folder: Path, table: schema.TableSchema, column: str, rng: random.Random) -> Touched:
    file, rows = _file_of(folder, rng)
    place = rng.randrange(rows.num_rows)
    before = rows.column(column)[place].as_py()
    after = _other(before, table.columns[column], rng)
    if after is None and before is None:
        return None
    touched = rows.slice(place, 1).to_pylist()
    values = [*rows.column(column)[:place].to_pylist(), after, *rows.column(column)[place + 1 :].to_pylist()]
    _write(file, rows, column, values)
    return touched, f"{before!r:.40} -> {after!r:.40}"


def _exchanged(folder: Path, table: schema.TableSchema, column: str, rng: random.Random) -> Touched:
    file, rows = _file_of(folder, rng)
    values = rows.column(column).to_pylist()
    pairs = [(i, k) for i in range(len(values)) for k in range(i) if values[i] != values[k]]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    touched = [*rows.slice(first, 1).to_pylist(), *rows.slice(second, 1).to_pylist()]
    about = f"{values[first]!r:.40} <-> {values[second]!r:.40}"
    values[first], values[second] = values[second], values[first]
    _write(file, rows, column, values)
    return touched, about


def _row_gone(folder: Path, table: schema.TableSchema, column: str, rng: random.Random) -> Touched:
    file, rows = _file_of(folder, rng)
    place = rng.randrange(rows.num_rows)
    pq.write_table(pa.concat_tables([rows.slice(0, place), rows.slice(place + 1)]), file)
    return rows.slice(place, 1).to_pylist(), f"row {place} of {rows.num_rows}"


def _write(file: Path, rows: pa.Table, column: str, values: list[Any]) -> None:
    place = rows.schema.get_field_index(column)
    told = rows.schema.field(place)
    pq.write_table(rows.set_column(place, told, pa.array(values, type=told.type)), file)


def _other(value: Any, type_: str, rng: random.Random) -> Any:
    """Another value of a column's type."""
    choices: list[Any]
    match type_:
        case "string":
            text = value or ""
            choices = [None, "", f"{text}x", text[:-1], text.upper(), text[::-1], "0" * 32, text + "\0", "é"]
        case "binary":
            content = value or b""
            choices = [None, b"", content + b" ", content[:-1], content[::-1], b"[]", b"\xff\xfe"]
        case "int64":
            number = value or 0
            choices = [None, 0, number + 1, number - 1, -number, 2**63 - 1, -(2**63), number ^ (1 << rng.randrange(40))]
        case "double":
            number = value or 0.0
            choices = [None, 0.0, math.nextafter(number, math.inf), number * 0.5, -number, math.inf, math.nan, 1e-320]
        case "timestamp":
            moment = value or datetime(2020, 1, 1, tzinfo=UTC)
            choices = [
                None,
                moment + timedelta(microseconds=1),
                moment - timedelta(days=365),
                datetime(1, 1, 1, tzinfo=UTC),
            ]
        case _:
            items = list(value or [])
            choices = [None, [], [*items, 1e-3], items[:-1], items[::-1], [item * 2 for item in items], [math.nan]]
            if type_ == "list<int64>":
                choices = [None, [], [*items, 7], items[:-1], items[::-1], [item + 1 for item in items]]
    differing = [choice for choice in choices if repr(choice) != repr(value)]
    return rng.choice(differing)


class DeltaLog(Fuzzer):
    """A file of a Delta log flipped, cut, emptied, exchanged or taken away, or a statistic in it changed."""

    name = "delta-log"
    summary = "any file of the Delta logs damaged: `verify` finds what changes an answer, `repair` gets all rows back"
    short, full = 10, 1_200

    @override
    def prepare(self, folder: Path) -> None:
        self._store = folder / "store"
        prepare_store(self._store, folder / "logs")
        with open_store(self._store) as opened:
            opened.compact(timedelta(hours=1))
            for first in range(100, 106, 2):
                opened.append([trial(first), trial(first + 1)], **AROUND)
        self._clean = rows_of(self._store)
        self._answers = _answers(self._store)
        self._files = sorted(
            str(file.relative_to(self._store)) for file in self._store.glob("*/_delta_log/*") if file.is_file()
        )

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        name = self._files[number * 37 % len(self._files)]
        store = folder / "store"
        shutil.copytree(self._store, store)
        damage = rng.choice(_DAMAGES)
        newest = self._is_newest(name)
        if newest and damage is _gone:  # as it is when a process was killed before it: nobody can tell
            damage = _cut
        about = damage(store / name, rng)
        if about is None:
            self.count("nothing to change")
            return
        about = f"{name}, {damage.__name__.strip('_')} {about}".rstrip() + ": "
        try:
            harmless = _answers(store) == self._answers
        except Exception:
            harmless = False
        self.count("harmless" if harmless else "harmful")
        if not harmless and not problems_of(store):
            yield about + "`verify` finds nothing, and the store answers otherwise"
            return
        try:
            repair(store)
        except TunedbError as error:
            yield about + f"`repair` gives up: {error}"
            return
        if found := problems_of(store):
            yield about + f"after `repair`: {found[0]}"
            return
        for table, rows in rows_of(store).items():
            if lost := self._clean[table].keys() - rows.keys():
                if not newest:
                    yield about + f"{len(lost)} rows of {table} are lost, though every Parquet file is whole"
            elif strays := rows.keys() - self._clean[table].keys():
                yield about + f"{len(strays)} rows of {table} are there that nobody wrote"

    def _is_newest(self, name: str) -> bool:
        folder = name.rpartition("/")[0]
        return name == max(file for file in self._files if file.startswith(folder) and re.search(r"/\d+\.json$", file))


def _answers(store: Path) -> Any:
    """All that is answered by way of the logs: rows, counts, and bests, for which files are left out by statistics."""
    with open_store(store, create=False) as opened:
        summaries, targets = opened.workloads(), opened.targets()
        bests = [opened.best(row.workload_id, target.target_id, 3) for row in summaries for target in targets]
        return rows_of(store), opened.stats().num_trials, summaries, bests, sorted(t.trial_id for t in opened.trials())


def _bit(file: Path, rng: random.Random) -> str:
    content = bytearray(file.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    return f"{bit} of byte {place}"


def _cut(file: Path, rng: random.Random) -> str:
    content = file.read_bytes()
    length = rng.randrange(len(content))
    file.write_bytes(content[:length])
    return f"after {length} of {len(content)} bytes"


def _zeroed(file: Path, rng: random.Random) -> str:
    file.write_bytes(bytes(file.stat().st_size))
    return ""


def _gone(file: Path, rng: random.Random) -> str:
    file.unlink()
    return ""


def _statistic(file: Path, rng: random.Random) -> str | None:
    """A bound, count or size that a commit says of a file, changed so that the line still is JSON."""
    if file.suffix != ".json":
        return _bit(file, rng)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    adds = [line["add"] for line in lines if "add" in line]
    if not adds:
        return None
    add = rng.choice(adds)
    told = json.loads(add["stats"])
    kind = rng.choice([kind for kind in ("minValues", "maxValues", "nullCount", "numRecords") if told.get(kind)])
    if kind == "numRecords":
        about, told[kind] = kind, told[kind] + rng.choice((-1, 1, 1000))
    else:
        column = rng.choice(sorted(told[kind]))
        value = told[kind][column]
        other: dict[type, Callable[[], Any]] = {
            str: partial(rng.choice, ["f" * 32, "0" * 32, ""]),
            int: partial(rng.choice, [0, 1, 10**6]),
            float: partial(rng.choice, [0.0, 1e-9, 1e9]),
        }
        about, told[kind][column] = f"{kind}.{column}", other[type(value)]()
        if told[kind][column] == value:
            return None
    add["stats"] = json.dumps(told)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return about


_DAMAGES: tuple[Callable[[Path, random.Random], str | None], ...] = (_bit, _bit, _cut, _zeroed, _gone, _statistic)
