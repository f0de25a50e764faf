"""Trials as a flat table, in memory and in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tunedb.logfiles import database, record_line
from tests.tunedb.samples import MACHINE, MODULE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial
from tunedb import open_store
from tunedb.errors import StoreError, UsageError
from tunedb.ingest.pipeline import ingest
from tunedb.query.tabular import (
    COLUMNS,
    FORMS,
    RECORD_COLUMNS,
    VERDICTS_COLUMN,
    to_arrow,
    to_pandas,
    to_polars,
    write_file,
)
from tunedb.records import Hardware, Module, Source, Workload
from tunedb.store.contract import Store
from tunedb.store.memory import MemoryStore


@pytest.fixture(params=["memory", "delta"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = MemoryStore() if request.param == "memory" else open_store(tmp_path / "store")
    for _ in range(2):  # the second time appends nothing
        made.append(
            [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)],
            workloads=[WORKLOAD],
            modules=[MODULE],
            targets=[TARGET, OTHER_TARGET],
            hardware=[MACHINE],
            sources=[SOURCE],
        )
    return made


def test_a_row_a_trial_with_all_it_refers_to(store: Store) -> None:
    table = to_arrow(store)
    assert table.column_names == list(COLUMNS)
    rows = {row["trial_id"]: row for row in table.to_pylist()}
    assert rows.keys() == {kept.trial_id for kept in store.trials()}
    for kept in store.trials():
        row = rows[kept.trial_id]
        assert json.loads(row["trace"]) == json.loads(kept.trace.to_json())
        assert (row["outcome"], tuple(row["run_secs"])) == (kept.outcome.value, kept.run_secs)
        assert (row["workload"], row["hardware"], row["source"]) == (WORKLOAD.name, MACHINE.name, SOURCE.uri)
        assert (row["secs"] is None) == (kept.outcome.value != "ok")


def test_selections(store: Store) -> None:
    assert to_arrow(store, target_id=OTHER_TARGET.target_id).num_rows == 1
    assert to_arrow(store, workload_id="none").num_rows == 0
    best = to_arrow(store, WORKLOAD.workload_id, TARGET.target_id, top_k=1)
    assert best["trial_id"].to_pylist() == [store.best(WORKLOAD.workload_id, TARGET.target_id)[0].trial_id]
    with pytest.raises(UsageError, match="at least 1"):
        to_arrow(store, top_k=0)


def test_frames(store: Store) -> None:
    pytest.importorskip("polars")
    assert to_polars(store).shape == (4, len(COLUMNS))


def test_pandas_or_a_word_on_how_to_get_it(store: Store) -> None:
    try:
        import pandas  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match="pip install pandas"):
            to_pandas(store)
    else:
        assert to_pandas(store).shape == (4, len(COLUMNS))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that was exported, by trial id."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
        rows = table.to_pylist()
    return sorted(rows, key=lambda row: str(row["trial_id"]))


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_files(store: Store, tmp_path: Path, form: str) -> None:
    path = tmp_path / "new" / f"trials.{form}"
    assert write_file(store, path, form) == 4
    read = pq.read_table(path) if form == "parquet" else pa.ipc.open_file(path).read_all()
    assert read.column_names == [*COLUMNS, *RECORD_COLUMNS, VERDICTS_COLUMN]
    order = [("trial_id", "ascending")]
    assert read.select(list(COLUMNS)).sort_by(order).equals(to_arrow(store).sort_by(order))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with pytest.raises(UsageError, match="there already"):
        write_file(store, path, form)


def test_comma_separated_values(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    assert write_file(store, path, "csv") == 4
    for row, kept in zip(rows_of(path), to_arrow(store).sort_by("trial_id").to_pylist(), strict=True):
        assert json.loads(row["run_secs"]) == kept["run_secs"]
        assert row["secs"] == ("" if kept["secs"] is None else row["secs"])
        assert kept["secs"] in (None, float(row["secs"] or "nan"))
        assert {name: row[name] for name in ("error", "trace", "target", "outcome")} == {
            name: kept[name] for name in ("error", "trace", "target", "outcome")
        }


@pytest.mark.parametrize("form", FORMS)
def test_what_trials_refer_to_stands_in_a_file_once_and_whole(store: Store, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"trials.{form}"
    write_file(store, path, form)
    rows = rows_of(path)
    kinds: dict[str, Any] = dict(zip(RECORD_COLUMNS, (Workload, Module, Hardware, Source), strict=True))
    found = {name: [msgspec.json.decode(row[name], type=kinds[name]) for row in rows if row[name]] for name in kinds}
    assert found == {
        "workload_record": [WORKLOAD],
        "module_record": [MODULE],
        "hardware_record": [MACHINE],
        "source_record": list(store.sources()),
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_fails_leaves_nothing(
    store: Store, tmp_path: Path, form: str, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = store.flat_trials

    @contextmanager
    def failing(*asked: Any) -> Iterator[pa.RecordBatchReader]:
        with whole(*asked) as reader:
            yield reader
            raise fault

    monkeypatch.setattr(store, "flat_trials", failing)
    with pytest.raises(StoreError if isinstance(fault, OSError) else type(fault)):
        write_file(store, tmp_path / "new" / "deep" / f"x.{form}", form)
    assert not (tmp_path / "new").exists()


def test_a_file_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_file(store, tmp_path / "file" / "x.parquet", "parquet")
    with pytest.raises(UsageError, match="parquet, arrow, csv"):
        write_file(store, tmp_path / "x.txt", "txt")


def test_an_empty_store_and_real_traces(tmp_path: Path) -> None:
    empty = MemoryStore()
    assert to_arrow(empty).num_rows == 0
    ingest(empty, [database(tmp_path, [record_line(0), record_line(1)])])
    for row, kept in zip(
        to_arrow(empty).sort_by("trial_id").to_pylist(), sorted(empty.trials(), key=lambda t: t.trial_id), strict=True
    ):
        assert json.loads(row["trace"]) == json.loads(kept.trace.to_json())
