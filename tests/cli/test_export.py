"""`tunedb export`: forms by name, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tunedb.query.tabular import COLUMNS, RECORD_COLUMNS


@pytest.mark.parametrize("name", ["trials.csv", "trials.CSV"])
def test_a_table_of_comma_separated_values(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    result = run("export", tmp_path / name, "--top", 1, "--store", store)
    assert result.exit_code == 0
    with (tmp_path / name).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [*COLUMNS, *RECORD_COLUMNS]
    assert result.stdout == f"{len(rows)} trials written to {tmp_path / name}\n"


@pytest.mark.parametrize("name", ["trials.json", "trials.tsv", "best.log", "trials.csv.gz", "a.db"])
def test_a_name_that_does_not_say_what_is_wanted(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    result = run("export", tmp_path / name, "--store", store)
    assert result.exit_code == 2
    assert "--format is one of metaschedule, parquet, arrow, csv" in result.stderr
    assert not (tmp_path / name).exists()
    assert run("export", tmp_path / name, "--store", store, "--format", "csv").exit_code == 0


@pytest.mark.parametrize("name", ["trials.csv", "trials.parquet"])
def test_a_file_that_is_there_stays(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    result = run("export", tmp_path / name, "--store", store)
    assert result.exit_code == 2
    assert "is there already, and is not replaced" in result.stderr
    assert (tmp_path / name).read_text() == "precious"
