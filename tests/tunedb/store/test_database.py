"""This process's DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tunedb.store import database
from tunedb.store.database import answer, remembered_bytes


def limited(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"memory_limit": "60MB", "temp_directory": str(folder / "spill"), "threads": "1"})


def test_what_does_not_fit_goes_to_a_folder_that_is_not_left_behind(tmp_path: Path) -> None:
    connection = limited(tmp_path)
    question = "SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) FROM range(1_500_000) AS t(i))"
    assert answer(connection, question) == [(1_500_000,)]
    assert (tmp_path / "spill").is_dir()
    connection.close()
    del connection
    assert not (tmp_path / "spill").exists()


def test_what_cannot_go_to_a_folder_gets_more_memory(tmp_path: Path) -> None:
    connection = limited(tmp_path)
    question = "SELECT len(list(md5(i::VARCHAR))) FROM range(?) AS t(i)"
    with pytest.raises(duckdb.OutOfMemoryException):
        connection.execute(question, [1_500_000])
    assert answer(connection, question, [1_500_000]) == [(1_500_000,)]


def test_a_machine_without_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(database.tempfile, "gettempdir", gone)
    assert answer(database._Shared().current(), "SELECT 1") == [(1,)]


def test_what_is_remembered_of_files_stays_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_MOST_REMEMBERED", 200_000)
    monkeypatch.setattr(database, "_LOOK_EVERY", 16)
    shared = database._Shared()
    first = shared.current()
    reading = first.cursor().execute("SELECT * FROM range(1_000_000)")
    for number in range(300):
        file = tmp_path / f"{number}.parquet"
        cursor = shared.current().cursor()
        cursor.execute(f"COPY (SELECT {number} AS a, 'x' AS b) TO '{file}' (FORMAT parquet)")
        assert answer(cursor, f"SELECT a FROM read_parquet('{file}')") == [(number,)]
        assert remembered_bytes(shared.current()) < 1_000_000
    assert shared.current() is not first
    assert len(reading.fetchall()) == 1_000_000  # who asked the one before is answered by it
