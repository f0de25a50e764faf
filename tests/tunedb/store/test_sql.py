"""What SQL may see of a store, and what it may not reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, WORKLOAD, failed, trial
from tunedb import Store, open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.store.schema import TABLES


@pytest.fixture(params=["memory", "delta"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store("memory:" if request.param == "memory" else tmp_path / "store") as opened:
        opened.append(
            [trial(0), trial(1), trial(2), failed(3)],
            **AROUND,
        )
        yield opened


def test_every_view_answers(store: Store) -> None:
    counts = {
        name: store.sql(f"SELECT count(*) FROM {name}").rows[0][0]
        for name in (
            "trials",
            "workloads",
            "modules",
            "instructions",
            "targets",
            "hardware",
            "sources",
            "quarantine",
            "sightings",
        )
    }
    expected = {"trials": 4, "workloads": 1, "modules": 1, "instructions": 2, "targets": 1, "hardware": 1, "sources": 1}
    assert {name: counts[name] for name in expected if name != "instructions"} == {
        name: count for name, count in expected.items() if name != "instructions"
    }
    assert counts["instructions"] >= 1
    assert counts["quarantine"] == 0


def test_views_join(store: Store) -> None:
    result = store.sql(
        "SELECT w.name, t.arch, min(r.secs_median) AS best FROM trials r JOIN workloads w USING (workload_id) "
        "JOIN targets t USING (target_id) GROUP BY ALL",
    )
    assert result.columns == ("name", "arch", "best")
    assert result.rows == [(WORKLOAD.name, "znver5", 1e-3)]


def test_a_trial_that_stands_twice_counts_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as first, open_store(tmp_path / "store") as second:
        around = AROUND
        first.append([trial(0)], **around)
        with second.table("trials") as reader:
            table = reader.read_all()
        import deltalake

        deltalake.write_deltalake(str(tmp_path / "store" / "trials"), table, mode="append")
        with second.table("trials") as reader:
            assert reader.read_all().num_rows == 2
        assert second.sql("SELECT count(*) FROM trials").rows == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}'",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "CREATE TABLE trials2 AS SELECT * FROM trials",
        "DROP VIEW trials",
        "DELETE FROM trials",
        "SELECT 1; SELECT 2",
        "",
        "SELEC 1",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM parquet_scan('{file}')",
    ],
)
def test_nothing_else_can_be_reached(store: Store, tmp_path: Path, query: str) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("secret")
    with pytest.raises((UsageError, NotFoundError)):
        store.sql(query.format(file=file))
    assert file.read_text() == "secret"
    assert store.sql("SELECT count(*) FROM trials").rows == [(4,)]


def test_a_query_that_does_not_end_is_stopped(store: Store) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"longer than 0\.5 s"):
        store.sql("SELECT count(*) FROM range(1000000000) a, range(1000000000) b", limit_secs=0.5)
    assert time.monotonic() - started < 10


def test_unknown_names_are_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="there are deliveries, hardware"):
        store.sql("SELECT * FROM records")
    with pytest.raises(NotFoundError, match="latency"):
        store.sql("SELECT latency FROM trials")


def test_times_come_with_their_zone(store: Store) -> None:
    from datetime import UTC, datetime

    measured = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    store.append([trial(9, measured_at=measured)])
    assert store.sql("SELECT max(measured_at) FROM trials").rows == [(measured,)]


@pytest.mark.parametrize(
    "query",
    ["SHOW TABLES", "show tables;", "SELECT table_name FROM information_schema.tables", "SHOW TABLES FROM main"],
)
def test_which_tables_there_are(store: Store, query: str) -> None:
    assert sorted(name for (name,) in store.sql(query).rows) == sorted(table.name for table in TABLES)


@pytest.mark.parametrize("query", ["DESCRIBE", "SHOW ALL TABLES"])
def test_tables_and_their_columns(store: Store, query: str) -> None:
    result = store.sql(query)
    names, columns = (result.columns.index(name) for name in ("name", "column_names"))
    assert {row[names]: list(row[columns]) for row in result.rows} == {
        table.name: list(table.columns) for table in TABLES
    }


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01", "4000-01-01 (BC)"])
@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS"])
def test_times_that_python_does_not_have_are_texts(store: Store, kind: str, moment: str) -> None:
    query = f"SELECT '{moment}'::{kind} AS odd, '2020-01-01'::{kind} AS good, ['{moment}'::{kind}] AS listed"
    ((odd, good, listed),) = store.sql(query).rows
    assert isinstance(odd, str)
    assert odd.startswith(moment.partition(" ")[0])
    assert moment.partition(" ")[0] in listed
    assert isinstance(good, date)
