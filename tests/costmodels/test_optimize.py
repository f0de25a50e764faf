"""Choosing hyper-parameters, on a part of the bundled trials."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from costmodels import metrics, optimize
from costmodels.dataset import Dataset, dataset_of
from costmodels.kinds import of_kind
from costmodels.model import Prediction, Range
from costmodels.models import KINDS, make
from costmodels.models.ridge import RidgeModel
from costmodels.optimize import Evaluation, mean_of
from tunedb.errors import UsageError


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Up to 30 trials of each of twelve workloads on one target, and the same of another target behind them."""
    pools = of_kind("llvm").prior.pools
    targets = list(dict.fromkeys(pool.target_id for pool in pools))[:2]
    chosen = [pool for target_id in targets for pool in [p for p in pools if p.target_id == target_id][:24:2]]
    return dataset_of([pool.without(set(pool.trial_ids[30:])) for pool in chosen])


def test_never_worse_than_the_default_and_reproducible(dataset: Dataset) -> None:
    seen: list[Evaluation] = []
    judged = int((dataset.groups < 12).sum())

    found = optimize.optimize("ridge", dataset, 5, judged=judged, seed=3, on_evaluation=seen.append)

    assert [evaluation.number for evaluation in seen] == list(range(1, 6))
    assert seen[0].hyper_parameters == {"alpha": 100.0}
    assert [evaluation.best for evaluation in seen] == list(np.maximum.accumulate([e.value for e in seen]))
    assert seen[0].is_best
    assert (found.default_value, found.value) == (seen[0].value, seen[-1].best)
    assert found.value >= found.default_value
    assert found.evaluations == 5
    winner = max(seen, key=lambda evaluation: evaluation.value)
    assert found.hyper_parameters == ({} if winner.number == 1 else winner.hyper_parameters)
    again = optimize.optimize("ridge", dataset, 5, judged=judged, seed=3)
    assert again == found
    other: list[Evaluation] = []
    optimize.optimize("ridge", dataset, 5, judged=judged, seed=4, on_evaluation=other.append)
    assert [e.hyper_parameters for e in other[1:]] != [e.hyper_parameters for e in seen[1:]]


def test_the_objective_is_what_the_gate_measures_of_workloads_unseen(dataset: Dataset) -> None:
    judged = int((dataset.groups < 12).sum())
    value = optimize.objective("ridge", {"alpha": 3.0}, dataset, judged=judged, seed=1)

    held_out = make("ridge", {"alpha": 3.0}).fit(dataset, seed=1)
    found = metrics.summary(dataset.scores[:judged], held_out.mean[:judged], dataset.groups[:judged])

    assert value == pytest.approx((found["top1"] + found["top5"] + found["pairwise"]) / 3)
    assert mean_of({"top1": 0.5, "spearman": 0.1}) == 0.5
    assert value != optimize.objective("ridge", {"alpha": 3.0}, dataset, seed=1), "other targets' rows count too"


def test_no_workload_is_on_both_sides(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a workload was measured on two targets, and has two pools."""
    learned: list[set[str]] = []
    judged: list[set[str]] = []
    rows_of = {
        row.tobytes(): dataset.workload_ids[group] for row, group in zip(dataset.features, dataset.groups, strict=True)
    }

    def train_member(self: RidgeModel, part: Dataset, seed: int) -> int:
        learned.append({part.workload_ids[group] for group in part.groups})
        return len(learned) - 1

    def ask_member(self: RidgeModel, member: int, features: np.ndarray) -> np.ndarray:
        judged.append({rows_of[row.tobytes()] for row in features})
        assert not judged[-1] & learned[member]
        return np.full(len(features), 0.5)

    monkeypatch.setattr(RidgeModel, "train_member", train_member)
    monkeypatch.setattr(RidgeModel, "ask_member", ask_member)

    optimize.optimize("ridge", dataset, 2)

    assert len(learned) == 2 * 5
    assert set.union(*judged) == set(dataset.workload_ids)


class Bowl(RidgeModel):
    """Its held-out predictions are right where both parameters are, and shuffled the more the farther they are."""

    kind = "bowl"

    def __init__(self, *, x: float = 0.1, y: int = 1, **_: object) -> None:
        super().__init__(alpha=1.0)
        self.x, self.y = x, y

    @property
    def hyper_parameters(self) -> dict[str, float | int | str]:
        return {"x": self.x, "y": self.y, "alpha": 1.0}

    @classmethod
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {"x": Range(0.01, 10.0, is_log=True), "y": Range(0, 40, is_whole=True)}

    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        distance = abs(np.log(self.x / 2.0)) + abs(self.y - 30) / 10
        noise = np.random.default_rng(0).normal(size=len(dataset))
        return Prediction(dataset.log_costs + distance * noise, np.ones(len(dataset)))


def test_it_finds_what_chance_does_not(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "bowl", Bowl)

    found = optimize.optimize("bowl", dataset, 24, seed=0)

    assert found.value > found.default_value + 0.2
    rng = np.random.default_rng(0)
    space = Bowl.search_space(dataset)
    by_chance = [
        max(optimize.objective("bowl", {n: r.at(rng.uniform()) for n, r in space.items()}, dataset) for _ in range(24))
        for _ in range(3)
    ]
    assert found.value > float(np.mean(by_chance))
    assert isinstance(found.hyper_parameters["y"], int)


def test_the_default_is_kept_where_nothing_is_better(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "bowl", Bowl)
    monkeypatch.setattr(Bowl.__init__, "__kwdefaults__", {"x": 2.0, "y": 30})

    found = optimize.optimize("bowl", dataset, 6)

    assert found.hyper_parameters == {}
    assert found.value == found.default_value == pytest.approx(1.0)


def test_the_default_model_has_both_stages_to_choose_where_enough_was_compiled(dataset: Dataset) -> None:
    assert dataset.is_compiled.sum() >= 64
    stages = {name.split("_")[0] for name in KINDS["two-stage"].search_space(dataset)}
    loops = {name.split("_")[0] for name in KINDS["two-stage"].search_space(dataclasses.replace(dataset, code=None))}
    assert (stages, loops) == ({"first", "second"}, {"first"})


@pytest.mark.parametrize("kind", ["roofline", "random", "perceptron"])
def test_what_has_nothing_to_choose_is_said(dataset: Dataset, kind: str) -> None:
    with pytest.raises(UsageError, match=r"no (hyper-parameters|model)"):
        optimize.optimize(kind, dataset, 2)
    with pytest.raises(UsageError, match="at least one"):
        optimize.optimize("ridge", dataset, 0)


@pytest.mark.parametrize(
    ("values", "middle"),
    [(Range(0.0, 4.0), 2.0), (Range(0.01, 1.0, is_log=True), 0.1), (Range(1, 100, is_log=True, is_whole=True), 10)],
)
def test_a_range_goes_from_end_to_end_and_back(values: Range, middle: float) -> None:
    assert (values.at(0.0), values.at(1.0)) == (pytest.approx(values.low), pytest.approx(values.high))
    assert values.at(0.5) == pytest.approx(middle)
    assert values.share_of(middle) == pytest.approx(0.5)
    assert (values.share_of(values.low / 2 or -1.0), values.share_of(values.high * 2)) == (0.0, 1.0)


def test_the_library_is_imported_when_it_is_used() -> None:
    code = "import sys, costmodels.optimize, costmodels.training; sys.exit('bayes_opt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
