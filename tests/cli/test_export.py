"""`tunedb export`: forms by name, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tunedb.query.tabular import COLUMNS, RECORD_COLUMNS, VERDICTS_COLUMN


@pytest.mark.parametrize("name", ["trials.csv", "trials.CSV"])
def test_a_table_of_comma_separated_values(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    result = run("export", tmp_path / name, "--top", 1, "--store", store)
    assert result.exit_code == 0
    with (tmp_path / name).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [*COLUMNS, *RECORD_COLUMNS, VERDICTS_COLUMN]
    assert result.stdout == f"{len(rows)} trials written to {tmp_path / name}\n"


@pytest.mark.parametrize("name", ["trials.json", "trials.tsv", "best.log", "trials.csv.gz", "a.db"])
def test_a_name_that_does_not_say_what_is_wanted(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    result = run("export", tmp_path / name, "--store", store)
    assert result.exit_code == 2
    assert "--format is one of metaschedule, parquet, arrow, csv, autotvm, ansor" in result.stderr
    assert not (tmp_path / name).exists()
    assert run("export", tmp_path / name, "--store", store, "--format", "csv").exit_code == 0


@pytest.mark.parametrize("name", ["trials.csv", "trials.parquet"])
def test_a_file_that_is_there_stays(run: Run, store: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    result = run("export", tmp_path / name, "--store", store)
    assert result.exit_code == 2
    assert "is there already, and is not replaced" in result.stderr
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("form", ["autotvm", "ansor"])
def test_what_has_no_such_form_is_told(run: Run, store: Path, tmp_path: Path, form: str) -> None:
    result = run("export", tmp_path / "best.log", "--format", form, "--store", store)
    assert result.exit_code == 3
    assert "left out" in result.stderr
    assert f"no trial that was chosen has the form of a log of {form}" in result.stderr
    assert not (tmp_path / "best.log").exists()


def test_a_best_of_log_in_the_tuners_own_form(run: Run, run_json: Callable[..., Any], tmp_path: Path) -> None:
    from tests.tunedb.logfiles import autotvm

    (tmp_path / "old.log").write_text("\n".join(autotvm(secs) for secs in (2e-4, 1e-4, 3e-4)))
    store = tmp_path / "own"
    run_json("ingest", tmp_path / "old.log", "--store", store)
    written = run_json("export", tmp_path / "best.log", "--format", "autotvm", "--top", 1, "--store", store)
    assert (written["format"], written["trials"], written["failed"], written["left_out"]) == ("autotvm", 1, 0, {})
    again = run_json("ingest", tmp_path / "best.log", "--store", store)
    assert (again["added"], again["duplicates"]) == (0, 1)
