"""Whole benches on this machine: finished, cut short and gone on with, and with arms that fail."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import onnx
import pytest

from benchmarks.graph import Graph
from search.bench.bench import Plan, run_bench
from search.bench.results import read_results
from search.bench.strategies import parse_strategies
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.query.runs import tuning_runs
from tunedb.records import Target


def plan(target: Target, *models: Path | str, strategies: str = "bo,evolutionary:2", trials: int = 4) -> Plan:
    return Plan(tuple(map(str, models)), tuple(parse_strategies(strategies)), (0,), trials, target, rounds=2)


@pytest.mark.tvm
def test_a_bench_is_cut_short_and_goes_on(small_network: Path, target: Target, tmp_path: Path) -> None:
    asked = plan(target, small_network, trials=6)
    stop = threading.Event()

    def on_step(done: int, of: int, text: str) -> None:
        assert of == 2
        if "evolutionary:2 seed 0  trial 2" in text:
            stop.set()

    cut = run_bench(asked, tmp_path / "out", on_step=on_step, stop=stop)
    assert cut.interrupted
    assert [(arm.strategy, arm.trials, arm.error) for arm in cut.arms] == [("bo", 6, "")]
    assert cut.arms[0].ratio is None
    before = (tmp_path / "out" / "product" / "bo-s0" / "product.so").stat().st_mtime_ns

    whole = run_bench(asked, tmp_path / "out")
    assert whole == read_results(tmp_path / "out")
    assert not whole.interrupted
    ours, stock = whole.arms
    assert (tmp_path / "out" / ours.library).stat().st_mtime_ns == before, "a finished arm is not run again"
    assert (ours.ratio, ours.against, ours.sittings, ours.predicts) == (1.0, "bo seed 0", 1, True)
    assert (stock.trials, stock.sittings, stock.predicts, stock.against) == (6, 2, False, "bo seed 0")
    assert stock.ratio is not None
    assert stock.ratio > 0
    with open_store(tmp_path / "out" / "product" / "evolutionary-2-s0" / "store") as store:
        assert len(tuning_runs(store)) == 2

    (network,) = whole.networks
    assert all(task.untuned_secs is not None for task in network.tasks)
    for arm in whole.arms:
        figures = [point.network_secs for point in arm.best_so_far]
        assert figures == sorted(figures, reverse=True)
        assert arm.best_so_far[0].trials == 0
        assert sum(task.trials for task in arm.tasks) == arm.trials
        assert "predicted" not in arm.programs or arm.predicts


@pytest.mark.tvm
def test_a_failed_arm_is_named_and_ends_nothing(small_network: Path, target: Target, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_text("no network")
    out = tmp_path / "out"
    (out / "product" / "random-s0").mkdir(parents=True)
    (out / "product" / "random-s0" / "store").write_text("no store")
    found = run_bench(
        plan(target, tmp_path / "broken.onnx", small_network, strategies="random,es+model", trials=2), out
    )
    errors = {(arm.network, arm.strategy): arm.error for arm in found.arms}
    assert list(errors) == [
        ("broken", "random"),
        ("broken", "es+model"),
        ("product", "random"),
        ("product", "es+model"),
    ]
    assert "broken.onnx" in errors["broken", "random"]
    assert "store" in errors["product", "random"]
    assert errors["product", "es+model"] == ""
    last = found.arms[-1]
    assert (last.ratio, last.against, last.trials) == (1.0, "es+model seed 0", 2)

    (out / "product" / "random-s0" / "store").unlink()
    again = run_bench(
        plan(target, tmp_path / "broken.onnx", small_network, strategies="random,es+model", trials=2), out
    )
    mended = next(arm for arm in again.arms if arm.key == ("product", "random", 0))
    assert (mended.error, mended.trials, mended.against) == ("", 2, "random seed 0")


def test_what_cannot_be_is_said_before_anything_is_made(target: Target, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"absent\.onnx: no such file"):
        run_bench(plan(target, tmp_path / "absent.onnx"), tmp_path / "out")
    with pytest.raises(UsageError, match="two models have one name"):
        run_bench(plan(target, "a/x.onnx", "b/x.onnx"), tmp_path / "out")
    with pytest.raises(UsageError, match="this one is no text"):
        run_bench(plan(target, "a\udcff.onnx"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.tvm
def test_a_dynamic_network_in_the_shape_that_is_given_and_arms_with_trials_of_their_own(
    target: Target, tmp_path: Path
) -> None:
    g = Graph("dynamic", 0)
    model = tmp_path / "dynamic.onnx"
    onnx.save(g.model(g.dense(g.input("x", ("n", 32)), 32, 16)), model)
    asked = plan(target, model, strategies="bo@2,evolutionary:2@3", trials=8)
    without = run_bench(asked, tmp_path / "without")
    assert all("--shape x=1x32" in arm.error for arm in without.arms)
    found = run_bench(dataclasses.replace(asked, shapes={"x": (4, 32)}), tmp_path / "out")
    assert [(arm.trials, arm.error) for arm in found.arms] == [(2, ""), (3, "")]
    assert found.asked.shapes == {"x": (4, 32)}
    with pytest.raises(UsageError, match="shapes"):
        run_bench(dataclasses.replace(asked, shapes={"x": (8, 32)}), tmp_path / "out")
