"""What is evaluated of a store, on pools that are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodels.dataset import Pool
from costmodels.evaluation import evaluate as module
from costmodels.evaluation.evaluate import WHOLE, EvaluateOptions, Progress, evaluate_store
from costmodels.evaluation.folds import SPLITS
from costmodels.evaluation.plan import Plan
from costmodels.features import Family
from costmodels.models import DEFAULT
from costmodels.pools import Reading, Selection
from tunedb.errors import NotFoundError, UsageError
from tunedb.records import Target
from tunedb.store.contract import Store
from tunedb.store.memory import MemoryStore

CPU = Target("a" * 64, '{"kind":"llvm","mcpu":"znver5"}', "llvm", "znver5")
OTHER_CPU = Target("b" * 64, '{"kind":"llvm","mcpu":"znver4"}', "llvm", "znver4")
GPU = Target("c" * 64, '{"arch":"sm_90","kind":"cuda"}', "cuda", "sm_90")
RIDGE = EvaluateOptions(models=("ridge",), splits=("leave-one-workload-out",), bundled=False)


def made(target: Target, family: Family, width: int) -> list[Pool]:
    rng = np.random.default_rng(0)
    pools = []
    for name in ("w0", "w1", "w2"):
        features = rng.uniform(0, 4, size=(30, width))
        scores = np.exp(-0.5 * features[:, 1])
        ids = tuple(f"{name}-{target.arch}-{family.FEATURE_VERSION}-{number}" for number in range(30))
        pools.append(Pool(name, name, "matmul", target.target_id, features, scores / scores.max(), ids))
    return pools


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """One whose pools are made; those of the GPU have other features, as if its kind had a row of its own."""

    def read_pools(store: Store, target: Target, selection: Selection, **_: object) -> Reading:
        assert selection.family is not None
        return Reading(made(target, selection.family, 9 if target is GPU else 12), 0, {})

    monkeypatch.setattr(module, "read_pools", read_pools)
    with MemoryStore() as opened:
        opened.append([], targets=[CPU, OTHER_CPU, GPU])
        yield opened


def test_kinds_of_target_are_evaluated_by_themselves(store: Store) -> None:
    done = evaluate_store(store, RIDGE)

    tested = {row.target_id for row in done.figures}
    assert tested == {CPU.target_id, OTHER_CPU.target_id, GPU.target_id}
    assert {target.target_id for target in done.targets} == tested
    means = {row.target_id: row.value for row in done.figures if (row.workload_id, row.metric) == (None, "pairwise")}
    assert min(means.values()) > 0.8


def test_one_target_learns_from_those_of_its_kind(store: Store) -> None:
    steps: list[Progress] = []
    plans: list[Plan] = []
    options = dataclasses.replace(RIDGE, target=CPU, splits=("leave-target-out",))

    done = evaluate_store(store, options, on_progress=steps.append, on_plan=plans.append)

    assert {row.target_id for row in done.figures} == {CPU.target_id}
    assert {target.target_id for target in done.targets} == {CPU.target_id, OTHER_CPU.target_id}
    assert {(row.step, row.what) for row in steps if row.step == "fits"} == {("fits", "leave-target-out: ridge")}
    fits = [row for row in steps if row.step == "fits"]
    assert [row.done for row in fits] == [*range(fits[0].total)]
    assert [row.what for row in steps if row.step == "features"] == ["llvm znver4", "llvm znver5"]
    (plan,) = plans
    assert done.plans == plans
    assert (plan.num_targets, plan.num_workloads, plan.num_trials, plan.num_fits) == (1, 3, 90, fits[0].total)
    assert plan.fit_secs > 0


def test_the_baseline_is_read_before_anything_is_fitted_and_written_when_asked(store: Store, tmp_path: Path) -> None:
    gate = tmp_path / "baseline.json"
    with pytest.raises(NotFoundError, match="no such baseline"):
        evaluate_store(store, dataclasses.replace(RIDGE, gate=gate))

    evaluate_store(store, dataclasses.replace(RIDGE, gate=gate, update_baseline=True))
    assert evaluate_store(store, dataclasses.replace(RIDGE, gate=gate)).falls == []


def test_what_cannot_be_evaluated_is_said(store: Store) -> None:
    with pytest.raises(UsageError, match="no model 'perceptron'"):
        evaluate_store(store, dataclasses.replace(RIDGE, models=("perceptron",)))
    with pytest.raises(UsageError, match="--gate FILE"):
        evaluate_store(store, dataclasses.replace(RIDGE, update_baseline=True))
    with pytest.raises(NotFoundError, match="no good trials"):
        evaluate_store(MemoryStore(), RIDGE)


def test_the_default_is_what_a_person_waits_for_and_there_is_a_whole(store: Store) -> None:
    usual = EvaluateOptions()
    assert (usual.models, len(usual.splits), usual.limit, usual.compiling) == ((DEFAULT,), 1, 64, False)
    assert (WHOLE.models, WHOLE.splits, WHOLE.limit, WHOLE.compiling) == (None, SPLITS, None, True)


def test_a_split_that_leaves_nothing_to_learn_from_says_so(store: Store) -> None:
    options = dataclasses.replace(RIDGE, target=CPU, pooled=False, splits=("leave-operator-family-out",))
    with pytest.raises(NotFoundError, match=r"leave-operator-family-out: .* try another --split"):
        evaluate_store(store, options)


def test_what_the_limit_leaves_out_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = module.read_pools

    def with_more(*given: Any, **named: Any) -> Reading:
        return dataclasses.replace(read(*given, **named), num_beyond=7)

    monkeypatch.setattr(module, "read_pools", with_more)
    options = dataclasses.replace(RIDGE, target=CPU)
    assert [plan.num_beyond for plan in evaluate_store(store, options).plans] == [7]
