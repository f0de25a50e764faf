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


def test_results_of_kernel_tuner_come_in_and_go_out(run: Run, run_json: Callable[..., Any], tmp_path: Path) -> None:
    cache = Path(__file__).parents[1] / "tunedb" / "assets" / "kernel_tuner" / "vector_add_cache.json"
    store, again = tmp_path / "one", tmp_path / "two"
    assert run_json("ingest", cache, "--store", store)["added"] == 4
    best = run_json("best", run_json("workloads", "--store", store)["workloads"][0]["workload_hash"], "--store", store)
    assert (best["hardware"], best["run_secs_median"]) == ("NVIDIA A100-PCIE-40GB", pytest.approx(5.05e-5))
    script = run("best", best["workload_hash"], "--show", "script", "--store", store)
    assert script.exit_code != 0
    assert "a Kernel Tuner configuration, which MetaSchedule cannot replay" in script.stderr
    assert "Traceback" not in script.stderr
    written = run_json("export", tmp_path / "r.json", "--format", "t4", "--store", store)
    assert written == {"file": str(tmp_path / "r.json"), "format": "t4", "trials": 4}
    run_json("ingest", tmp_path / "r.json", "--store", again)
    assert run_json("best", best["workload_hash"], "--store", again)["record_id"] == best["record_id"]


def test_t4_says_what_it_mixes(run: Run, store: Path, tmp_path: Path) -> None:
    result = run("export", tmp_path / "r.json", "--format", "t4", "--top", 1, "--store", store)
    assert result.exit_code == 0
    assert "several workloads, targets or machines, which T4 cannot tell apart" in result.stderr
