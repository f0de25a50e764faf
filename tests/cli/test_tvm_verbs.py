"""train, tune, export, doctor and best --show script: what needs a compiler, as real commands on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tvm

TUNEDB = Path(sys.executable).with_name("tunedb")
WORKLOADS = Path(__file__).parents[2] / "examples" / "workloads.py"
MATMUL = f"{WORKLOADS}:small_matmul"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a store after one run of `tunedb tune`, and what the run printed."""
    store = tmp_path_factory.mktemp("tuned") / "store"
    command = [TUNEDB, "tune", MATMUL, "--trials", "8", "--seed", "3", "--json", "--store", store]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return store, json.loads(done.stdout), done.stderr


def test_tune_prints_the_documented_keys_and_nothing_else(tuned):
    _, found, _ = tuned
    assert json.loads(found["target"])["kind"] == "llvm"
    assert json.loads(found["target"])["num-cores"] >= 1
    assert 0 < found["run_secs_median"] < 1
    assert len(found["trace"]) == 2
    assert (found["trials"], found["strategy"], found["seed"], found["interrupted"]) == (8, "bo", 3, False)
    assert found["elapsed_secs"] > 0
    assert [task["workload_hash"] for task in found["tasks"]] == [found["workload_hash"]]


def test_tune_tells_of_each_trial_on_stderr(tuned):
    _, _, progress = tuned
    assert len([line for line in progress.splitlines() if line.startswith("trial ")]) == 8
    assert "Traceback" not in progress


def test_what_tune_found_is_what_best_says(tuned, run_json):
    store, found, _ = tuned
    best = run_json("best", found["workload_hash"], "--store", store)
    for key in ("workload_hash", "target", "run_secs_median", "record_id", "trace"):
        assert best[key] == found[key]
    stats = run_json("stats", "--store", store)
    assert stats["trials"] == 8 + found["tasks"][0]["passes"]


def test_tune_without_trials_predicts(run, run_json, tmp_path):
    found = run_json("tune", MATMUL, "--trials", 0, "--store", tmp_path / "store")
    assert (found["trials"], found["run_secs_median"], found["record_id"]) == (0, None, None)
    assert len(found["trace"]) == 2
    shown = run("tune", MATMUL, "--trials", 0, "--store", tmp_path / "store").stdout
    assert "predicted to be the best, compiled and not measured" in shown
    assert "SamplePerfectTile" in shown


def test_best_shows_the_scheduled_script(run, run_json, store):
    rows = run_json("workloads", "--store", store)["workloads"]
    (gemm,) = [row for row in rows if row["targets"] == 2 and "128x128" in row["name"]]
    result = run("best", gemm["workload_hash"], "--target", "znver5", "--show", "script", "--store", store)
    assert result.exit_code == 0, result.stderr
    compile(result.stdout, "script", "exec")
    assert "T.parallel" in result.stdout or "T.vectorized" in result.stdout
    found = run_json("best", gemm["workload_hash"], "--target", "znver5", "--show", "script", "--store", store)
    assert found["script"].strip() in result.stdout


def test_stock_tvm_opens_what_export_wrote(run_json, store, tmp_path):
    report = run_json("export", tmp_path / "out", "--target", "znver5", "--top", 5, "--store", store)
    from tvm.s_tir import meta_schedule as ms

    database = ms.database.JSONDatabase(work_dir=report["directory"])
    assert len(database) == report["trials"] == 15
    assert report["workloads"] == 3


def test_export_says_what_it_mixes_and_what_is_there_already(run, store, tmp_path):
    first = run("export", tmp_path / "out", "--top", 1, "--store", store)
    assert first.exit_code == 0
    assert "5 trials of 3 workloads" in first.stdout
    assert "2 targets" in first.stderr
    assert run("export", tmp_path / "out", "--store", store).exit_code == 2


@pytest.mark.parametrize("shipped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_train_makes_a_model_and_tune_starts_from_it(run_json, logs, tmp_path, shipped):
    store = tmp_path / "store"
    run_json("ingest", logs / "znver5-1core" / "GMM-0", logs / "znver5-1core" / "NRM-1", "--store", store)
    report = run_json("train", "--workers", 1, "--shipped" if shipped else "--no-shipped", "--store", store)
    (model,) = report["models"]
    assert (model["trials"], model["workloads"]) == (188, 2)
    assert Path(model["directory"]).is_dir()
    assert 0 <= model["metrics"]["top1"] <= 1
    found = run_json("tune", MATMUL, "--trials", 4, "--store", store)
    assert model["model"] in found["prior"]


def test_train_with_too_little_to_learn_from(run, tuned):
    store, _, _ = tuned
    result = run("train", "--no-shipped", "--store", store)
    assert result.exit_code == 3
    assert "too few" in result.stdout


def test_doctor_finds_this_machine_able(run_json, store):
    report = run_json("doctor", "--store", store)
    assert report["ok"]
    assert [check["name"] for check in report["checks"]] == ["packages", "apache-tvm-ffi", "g++", "measuring", "store"]
    assert report["versions"]["apache-tvm-ffi"].startswith("0.1.14")


def test_doctor_without_a_compiler_cannot_measure(run, store, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = run("doctor", "--store", store)
    assert result.exit_code == 6
    assert "apt-get install g++" in result.stdout


def test_doctor_of_a_store_that_is_none(run, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "trials").write_text("not a table")
    result = run("doctor", "--store", tmp_path / "store")
    assert result.exit_code in (0, 1)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nosuch.onnx"], 3),
        (["nosuch.py:matmul"], 3),
        ([f"{WORKLOADS}:nosuch"], 3),
        ([str(WORKLOADS)], 2),
        (["ffff"], 3),
        ([MATMUL, "--target", "llvm -mcpu=znver5"], 2),
        ([MATMUL, "--target", "no-such-tag"], 2),
    ],
)
def test_what_cannot_be_tuned(run, tmp_path, arguments, code):
    result = run("tune", *arguments, "--store", tmp_path / "store")
    assert result.exit_code == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_has_stored_what_it_finished(run_json, tmp_path, number):
    store = tmp_path / "store"
    command = [TUNEDB, "tune", MATMUL, "--trials", "4000", "--json", "--store", store]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    finished = 0
    for line in process.stderr:
        finished += line.startswith("trial ")
        if finished == 24:
            break
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)

    stored = run_json("stats", "--store", store)["trials"]
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert stored >= 8  # at most the last second's trials are lost
    else:
        assert process.returncode == 130, stderr
        assert "Traceback" not in stderr
        found = json.loads(stdout)
        assert found["interrupted"]
        assert stored == found["trials"] >= 24
    assert run_json("doctor", "--store", store)["ok"]
