"""features, train, models and evaluate, as commands on a store of three workloads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    """A copy of the shared store with two models for znver5, of different seeds."""
    from typer.testing import CliRunner

    from cli.main import app

    folder = tmp_path_factory.mktemp("trained") / "store"
    shutil.copytree(store, folder)
    for seed in (0, 1):
        options = ["--target", "znver5", "--no-shipped", "--seed", str(seed), "--store", str(folder)]
        result = CliRunner().invoke(app, ["train", *options])
        assert result.exit_code == 0, result.stderr
    return folder


def test_features_are_computed_once(run_json, store, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(store, folder)
    first = run_json("features", "--target", "znver5", "--family", "loop_nest", "--family", "trace", "--store", folder)
    loop_nest, trace = first["features"]
    assert (loop_nest["cached"], loop_nest["computed"]) == (0, loop_nest["trials"])
    assert loop_nest["trials_per_second_per_core"] > 0
    assert trace["trials_per_second_per_core"] > 1000
    (again,) = run_json("features", "--target", "znver5", "--store", folder)["features"]
    assert (again["cached"], again["computed"]) == (loop_nest["trials"], 0)


def test_features_of_no_family(run, store):
    result = run("features", "--family", "tarot", "--store", store)
    assert result.exit_code == 2
    assert "loop_nest, per_store, machine_code, trace, workload" in result.stderr


def test_nothing_new_is_not_trained_again(run_json, trained):
    found = run_json("train", "--target", "znver5", "--no-shipped", "--seed", 1, "--store", trained)
    assert [row["is_new"] for row in found["models"]] == [False]
    assert len(run_json("models", "--store", trained)["models"]) == 2


def test_hyper_parameters_are_chosen(run, run_json, trained, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(trained, folder)
    options = ["train", "--target", "znver5", "--no-shipped", "--optimize", 3, "--store", folder]
    done = run(*options)
    assert done.exit_code == 0, done.stderr
    values = [line for line in done.stderr.splitlines() if ": optimize " in line and "/3  value " in line]
    assert len(values) == 3
    assert values[0].endswith("*")
    assert "best of 3 configurations: " in done.stdout
    (row,) = run_json(*options)["models"]
    assert not row["is_new"]
    found = row["optimized"]
    assert (found["evaluations"], found["seed"]) == (3, 0)
    assert "top1, top5 and pairwise" in found["objective"]
    assert found["value"] >= found["default_value"]
    assert f"{found['value']:.4f}, default {found['default_value']:.4f}" in done.stdout
    objective = sum(row["metrics"][name] for name in ("top1", "top5", "pairwise")) / 3
    assert objective == pytest.approx(found["value"])
    shown = run_json("models", "show", row["model"], "--store", folder)
    assert shown["optimized"] == found
    assert shown["hyper_parameters"] == row["hyper_parameters"]


def test_models_are_listed_shown_compared_and_promoted(run, run_json, trained):
    first, second = run_json("models", "--store", trained)["models"]
    assert first["created_at"] < second["created_at"]
    assert (first["optimized"], first["kind"]) == (None, "two-stage")
    shown = run_json("models", "show", first["name"], "--store", trained)
    assert shown["trained_on"]["target_arch"] == "znver5"
    assert shown["files"].keys() == first["files"].keys()
    differences = run_json("models", "diff", first["name"], second["name"], "--store", trained)["differences"]
    assert {row["what"]: (row["first"], row["second"]) for row in differences}["seed"] == (0, 1)
    assert run_json("models", "promote", first["name"], "--store", trained)["promoted"]
    assert "promoted" in run("models", "--store", trained).stdout
    wrong = run("models", "diff", first["name"], "--store", trained)
    assert wrong.exit_code == 2
    assert "wants 2 names" in wrong.stderr


def test_a_changed_model_is_refused_and_may_be_adopted(run, run_json, trained, store, tmp_path):
    source = Path(run_json("models", "--store", trained)["models"][1]["directory"])
    changed = tmp_path / "changed"
    shutil.copytree(source, changed)
    member = changed / "first" / "member-0.txt"
    text = member.read_text()
    member.write_text(text + "\n")
    folder = tmp_path / "store"
    shutil.copytree(store, folder)

    adopted = run_json("models", "adopt", changed, "--store", folder)["models"][0]
    assert adopted["name"].startswith(f"{source.name}-changed-")
    assert len(run_json("models", "--store", folder)["models"]) == 1

    member.write_text(text.replace("split_feature=", "split_feature=99999 ", 1))
    broken = run("models", "adopt", changed, "--store", folder)
    assert broken.exit_code == 1
    assert "changed" in broken.stderr
    assert len(run_json("models", "--store", folder)["models"]) == 1


def test_evaluate_prints_tidy_rows_and_gates(run, run_json, trained, tmp_path):
    options = [
        "evaluate",
        "--target",
        "znver5",
        "--model",
        "two-stage",
        "--model",
        "stock-xgboost",
        "--model",
        "random",
        "--no-shipped",
        "--own",
    ]
    options += ["--split", "leave-one-workload-out", "--limit", 16, "--store", trained]
    baseline = tmp_path / "baseline.json"
    found = run_json(*options, "--gate", baseline, "--update-baseline")
    assert found["model"] == "two-stage"
    means = {(row["model"], row["metric"]): row for row in found["results"] if row["workload"] is None}
    assert {metric for _, metric in means} == {
        *("top1", "top5", "top16", "peak1", "peak5", "pairwise", "spearman", "rmse", "coverage90")
    }
    assert means["two-stage", "pairwise"]["low"] <= means["two-stage", "pairwise"]["value"]
    assert {row["split"] for row in found["results"]} == {"leave-one-workload-out"}
    assert (found["workloads"], found["trials"]) == (3, 48)
    assert found["left_out"] > 0
    again = run(*options, "--gate", baseline)
    assert again.exit_code == 0
    begun, planned, *_ = again.stderr.splitlines()
    assert "at most 16 trials of a workload, not compiled; --whole takes all" in begun
    assert planned.startswith("3 workloads on 1 target, 48 trials (of ")
    assert "9 fits, roughly " in planned

    rows = json.loads(baseline.read_text())
    rows["rows"][0]["value"] += 1
    baseline.write_text(json.dumps(rows))
    worse = run(*options, "--gate", baseline)
    assert worse.exit_code == 1
    assert "worse than the baseline: leave-one-workload-out, two-stage" in worse.stdout


def test_the_stock_model_alone_has_a_report_and_needs_no_features_of_ours(run, trained, tmp_path):
    page = tmp_path / "page.html"
    options = ["--model", "stock-xgboost", "--split", "leave-one-workload-out", "--limit", 8, "--report", page]
    done = run("evaluate", "--target", "znver5", *options, "--store", trained)
    assert done.exit_code == 0, done.stderr
    assert "stock-xgboost" in done.stdout
    assert "Calibration of stock-xgboost" in page.read_text()


def test_a_promotion_is_taken_back(run, run_json, trained):
    first, _ = run_json("models", "--store", trained)["models"]
    run_json("models", "promote", first["name"], "--store", trained)
    rows = run_json("models", "demote", first["name"], "--store", trained)["models"]
    assert [row["promoted"] for row in rows] == [False, False]
    again = run("models", "demote", first["name"], "--store", trained)
    assert again.exit_code == 3
    assert "promoted are: none" in again.stderr


def test_a_broken_model_is_named_by_verify_and_listed_by_nobody(run, run_json, trained, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(trained, folder)
    assert run("verify", "--store", folder).exit_code == 0
    first, second = run_json("models", "--store", folder)["models"]
    (Path(second["directory"]) / "manifest.json").write_bytes(b'{"name": "\xc3')

    listed = run("models", "--store", folder)
    found = run("verify", "--json", "--store", folder)

    assert listed.exit_code == 0
    assert first["name"] in listed.stdout
    assert second["name"] not in listed.stdout
    assert found.exit_code == 1
    (problem,) = json.loads(found.stdout)["problems"]
    assert second["directory"] in problem
