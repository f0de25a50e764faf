"""report and bench as verbs: a run of a real store as a page, and a bench that cannot begin."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tunedb import open_store
from tunedb.identity import source
from tunedb.records import Outcome

START = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def tuned(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a log's matmul was measured by two tuning runs."""
    folder = tmp_path_factory.mktemp("tuned") / "store"
    with open_store(store) as known, open_store(folder, create=True) as made:
        workload = next(row for row in known.workloads() if row.name.startswith("matmul"))
        trials = list(known.trials(workload.workload_id, outcome=Outcome.OK))
        trials = [trial for trial in trials if trial.target_id == trials[0].target_id][:24]
        around: dict[str, Any] = {
            "workloads": [known.workload(workload.workload_id)],
            "modules": known.modules(workload.workload_id),
            "targets": known.targets(),
            "hardware": known.hardware(),
        }
        for number in range(2):
            detail = {"strategy": "bo", "seed": number, "prior": "<i>none</i>"}
            run = source(f"tune:{number}f00", "tune", detail)
            run = dataclasses.replace(run, added_at=START + timedelta(hours=number))
            mine = [
                dataclasses.replace(
                    trial,
                    source_id=run.source_id,
                    position=place,
                    measured_at=START + timedelta(hours=number, seconds=place + 1),
                )
                for place, trial in enumerate(trials[12 * number : 12 * number + 12])
            ]
            made.append(mine, sources=[run], **around)
    return folder


@pytest.mark.tvm
def test_a_page_of_two_runs(run_json: Callable[..., dict[str, Any]], tuned: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = run_json("report", "0f00", "last", "-o", page, "--png", tmp_path / "plots", "--store", tuned)
    assert found["page"] == str(page)
    assert [row["label"] for row in found["runs"]] == ["bo seed 0 (0f00)", "bo seed 1 (1f00)"]
    assert found["runs"][0]["facts"]["remembered before"] == "nothing of these tasks"
    assert found["runs"][1]["facts"]["remembered before"] == "12 trials of 1 of these tasks"
    titles = [plot["title"].split(":")[0] for plot in found["plots"]]
    assert titles.count("Predictions against measurements") == 2
    assert all(-1 <= row["rank_correlation"] <= 1 for row in found["runs"])
    reasons = {row["title"].split(":")[0]: row["reason"] for row in found["left_out"]}
    assert "no reference kernels" in reasons["Roofline"]
    assert len(found["images"]) == len(found["plots"]) == len(list((tmp_path / "plots").iterdir()))
    text = page.read_text()
    assert "<i>" not in text
    assert "&lt;i&gt;none&lt;/i&gt;" in text
    assert "Runs compared" in text


def test_runs_that_there_are_not(run: Run, tuned: Path, store: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (["ffff", "--store", tuned], "no tuning run begins with 'ffff'"),
        (["last", "--store", store], "the store has no tuning run"),
        (["absent.json", "--store", tuned], "no such file"),
    ):
        result = run("report", *arguments, "-o", tmp_path / "page.html", "--json")
        assert result.exit_code == 3
        assert said in json.loads(result.stdout)["error"]["message"]
    assert not (tmp_path / "page.html").exists()


def test_a_bench_that_makes_no_sense(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, status, said in (
        (["absent.onnx"], 3, "absent.onnx: no such file"),
        (["a.onnx", "--strategies", "es"], 2, "unknown strategy 'es'"),
        (["a.onnx", "--seeds", "x"], 2, "--seeds are whole numbers"),
        (["a.onnx", "--trials", "0"], 2, "trials"),
        (["a.onnx", "--target", "nosuch"], 2, "nosuch"),
    ):
        result = run("bench", *arguments, "--out", out, "--json")
        assert result.exit_code == status, result.stderr
        assert said in json.loads(result.stdout)["error"]["message"]
    assert not out.exists()
