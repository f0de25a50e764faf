"""Splits, figures and the gate, on pools that are made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from costmodels.dataset import Pool
from costmodels.evaluation.folds import SPLITS, folds
from costmodels.evaluation.gate import falls, read_baseline, write_baseline
from costmodels.evaluation.report import write_report
from costmodels.evaluation.splits import Few, Figure, evaluate, judged, learning_curve, means
from costmodels.features import loop_nest
from costmodels.model import Prediction
from costmodels.models import FlopModel, LightGBMModel, RandomModel, RidgeModel, TwoStageModel
from tunedb.errors import BadInputError, NotFoundError, UsageError

WIDTH = len(loop_nest.names())


def pool(workload: str, target: str = "t", *, shuffled: bool = False) -> Pool:
    rng = np.random.default_rng(sum(map(ord, workload + target)))
    features = np.zeros((40, WIDTH))
    features[:, :8] = rng.uniform(0, 4, size=(40, 8))
    scores = np.exp(-0.5 * features[:, 5])
    if shuffled:
        rng.shuffle(scores)
    name = f"{workload[:-1]} 1x1 float32"
    return Pool(
        workload,
        name,
        workload[:-1],
        target,
        features,
        scores / scores.max(),
        tuple(f"{workload}{n}" for n in range(40)),
    )


POOLS = [pool(name, target) for target in ("t", "u") for name in ("conv1", "conv2", "dense1", "dense2", "pool1")]


def test_background_is_learned_from_and_not_tested_on() -> None:
    background = [
        dataclasses.replace(pool("dense3", "t"), is_background=True),
        dataclasses.replace(pool("dense3", "u")),
    ]
    for split in SPLITS:
        made = list(folds(split, [*POOLS, *background], "t"))
        assert "dense3" not in {p.workload_id for fold in made for p in fold.test}
        assert any("dense3" in {p.workload_id for p in fold.train} for fold in made)
    curve = learning_curve([*POOLS, *background], RidgeModel, ["t"], shares=(1.0,))
    assert curve


def test_a_workload_is_never_on_both_sides() -> None:
    for split in SPLITS:
        made = list(folds(split, POOLS, "t"))
        assert sorted(p.workload_id for fold in made for p in fold.test) == sorted(
            p.workload_id for p in POOLS if p.target_id == "t"
        )
        for fold in made:
            assert not {p.workload_id for p in fold.train} & {p.workload_id for p in fold.test}
            targets = {p.target_id for p in fold.train}
            assert targets == ({"u"} if split == "leave-target-out" else {"t", "u"})
        if split != "leave-target-out":
            assert all({p.target_id for p in fold.train} == {"t"} for fold in folds(split, POOLS, "t", pooled=False))
    families = [({p.family for p in f.train}, {p.family for p in f.test}) for f in folds(SPLITS[1], POOLS, "t")]
    assert all(not train & test for train, test in families)
    with pytest.raises(UsageError, match="no split"):
        list(folds("leave-nothing-out", POOLS, "t"))


def test_models_are_judged_on_what_they_have_not_seen() -> None:
    made = {"ridge": RidgeModel, "random": RandomModel, "flop": FlopModel}
    figures = evaluate(POOLS, made, target_ids=["t"]).figures
    mean = {(row.split, row.model, row.metric): row for row in figures if row.workload_id is None}
    for split in SPLITS:
        ridge, chance = mean[split, "ridge", "pairwise"], mean[split, "random", "pairwise"]
        assert ridge.value > 0.85
        assert chance.value < 0.6
        assert ridge.low is not None
        assert ridge.high is not None
        assert ridge.low <= ridge.value <= ridge.high
    of_one = [row for row in figures if row.workload_id == "conv1" and row.model == "ridge" and row.metric == "top1"]
    assert len(of_one) == len(SPLITS)


def test_a_part_of_a_model_is_not_fitted_again() -> None:
    def never() -> LightGBMModel:
        raise AssertionError("it has been fitted already")

    fitted = TwoStageModel(LightGBMModel(num_trees=5, members=2))
    evaluation = evaluate(POOLS, {"two-stage": lambda: fitted, "lightgbm": never}, SPLITS[:1], target_ids=["t"])

    values = {(row.model, row.metric): row.value for row in evaluation.figures if row.workload_id is None}
    assert values["lightgbm", "pairwise"] == values["two-stage", "pairwise"]  # nothing was compiled


def test_a_perfect_prediction() -> None:
    given = pool("conv1")
    cost = -np.log(given.scores)
    values = judged(given, Prediction(cost, np.full(40, 0.1)))
    perfect = {"top1", "top5", "top16", "peak1", "peak5", "pairwise", "spearman", "coverage90"}
    assert {name for name, value in values.items() if value == pytest.approx(1)} == perfect
    assert values["rmse"] == pytest.approx(0)
    backwards = judged(given, Prediction(-cost, np.full(40, 0.1)))
    assert backwards["pairwise"] == pytest.approx(0)


def test_means_have_intervals_that_hold_them() -> None:
    rows = [Figure("s", "m", "t", "top1", str(number), "", number / 10) for number in range(11)]
    (mean,) = means(rows)
    assert mean.value == pytest.approx(0.5)
    assert mean.low is not None
    assert mean.high is not None
    assert 0.3 < mean.low < 0.45
    assert 0.55 < mean.high < 0.7


def test_few_trials_of_a_new_target_are_used_in_one_of_three_ways() -> None:
    shots = list(folds("8-shot", POOLS, "t"))
    for fold in shots:
        unseen = {p.workload_id for p in fold.test}
        assert sum(map(len, fold.few)) == 8
        assert {p.target_id for p in fold.few} == {"t"}
        assert {p.target_id for p in fold.train} == {"u"}
        assert not unseen & {p.workload_id for p in (*fold.few, *fold.train)}
    values = {
        way: next(
            row.value
            for row in evaluate(POOLS, {"ridge": RidgeModel}, ["128-shot"], target_ids=["t"], few=way).figures
            if row.metric == "pairwise"
        )
        for way in Few
    }
    assert len(set(values.values())) == 3
    assert min(values.values()) > 0.7


def test_a_learning_curve_rises() -> None:
    curve = learning_curve(POOLS, RidgeModel, ["t"], shares=(0.05, 1.0))
    first, last = (point for point in curve if point.metric == "pairwise")
    assert first.num_trials < last.num_trials
    assert first.value < last.value


def test_a_page_has_the_figures_and_needs_no_network(tmp_path: Path) -> None:
    evaluation = evaluate(POOLS, {"ridge": RidgeModel, "random": RandomModel}, SPLITS[:2], target_ids=["t"])
    curve = learning_curve(POOLS, RidgeModel, ["t"], shares=(0.2, 1.0))
    write_report(tmp_path / "page.html", evaluation, curve, default="ridge", heading="five < six")
    page = (tmp_path / "page.html").read_text()
    (mean,) = [
        row
        for row in evaluation.figures
        if (row.split, row.model, row.metric, row.workload_id) == (SPLITS[0], "ridge", "pairwise", None)
    ]
    assert f"<td>{mean.value:.3f}<br>" in page
    assert "five &lt; six" in page
    assert "Calibration of ridge" in page
    assert "<script src=" not in page


def test_the_gate_names_what_fell(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    with pytest.raises(NotFoundError, match="--update-baseline"):
        read_baseline(baseline)
    good = evaluate(POOLS, {"ridge": RidgeModel}, SPLITS[:1], target_ids=["t"]).figures
    write_baseline(baseline, good, "ridge")
    assert falls(read_baseline(baseline), good) == []
    spoilt = [pool(p.workload_id, p.target_id, shuffled=True) for p in POOLS]
    bad = evaluate(spoilt, {"ridge": RidgeModel}, SPLITS[:1], target_ids=["t"]).figures
    fallen = [str(fall) for fall in falls(read_baseline(baseline), bad)]
    assert any("pairwise, mean over workloads: 0." in fall and "where the baseline has" in fall for fall in fallen)
    gone = falls(read_baseline(baseline), good[1:])
    assert len(gone) == 1
    assert "no such figure any more" in str(gone[0])
    baseline.write_text("{}")
    with pytest.raises(BadInputError, match="not a baseline"):
        read_baseline(baseline)
