"""What an evaluation says of itself before it begins."""

from __future__ import annotations

import numpy as np
import pytest

from costmodels.dataset import Pool
from costmodels.evaluation.folds import work_of
from costmodels.evaluation.plan import plan_of


def pool(name: str, family: str, target: str, number: int = 20) -> Pool:
    scores = np.linspace(1.0, 0.1, number)
    ids = tuple(f"{name}-{target}-{place}" for place in range(number))
    return Pool(name, name, family, target, np.zeros((number, 3)), scores, ids)


POOLS = [pool(name, name[0], target) for name in ("a1", "a2", "b1") for target in ("s", "t")]


def test_what_is_ranked_is_counted_once_whatever_the_splits() -> None:
    work = work_of(POOLS, ["leave-one-workload-out", "leave-operator-family-out"], target_ids=["t"])
    plan = plan_of(work, ["ridge", "random"], num_beyond=5)

    assert (plan.num_targets, plan.num_workloads, plan.num_trials, plan.num_beyond) == (1, 3, 60, 5)
    assert plan.num_fits == 2 * (3 + 2)


def test_a_model_that_is_fitted_on_the_way_costs_nothing_more() -> None:
    work = work_of(POOLS, ["leave-operator-family-out"])
    both, alone = plan_of(work, ["two-stage", "lightgbm"]), plan_of(work, ["two-stage"])

    assert both == alone
    assert plan_of(work, ["lightgbm"]).fit_secs < alone.fit_secs


def test_more_trials_and_fewer_workers_take_longer() -> None:
    small = work_of(POOLS, ["leave-one-workload-out"])
    large = work_of([*POOLS, pool("c1", "c", "s", 5000)], ["leave-one-workload-out"], target_ids=["s", "t"])

    assert plan_of(large[: len(small)], ["two-stage"]).fit_secs > plan_of(small, ["two-stage"]).fit_secs
    secs = plan_of(small, ["two-stage"]).fit_secs
    assert plan_of(small, ["two-stage"], workers=2).fit_secs == pytest.approx(secs / 2)


def test_nothing_to_do_is_a_plan_too() -> None:
    plan = plan_of([], ["two-stage"])
    assert (plan.num_fits, plan.num_workloads, plan.fit_secs) == (0, 0, 0.0)
