"""Networks left out: who learns what, and how a network's figure is made of its workloads'."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from costmodels.dataset import Pool
from costmodels.evaluation.folds import NETWORKS, folds
from costmodels.evaluation.networks import of_network, read_networks
from costmodels.evaluation.splits import evaluate
from costmodels.features import loop_nest
from costmodels.models import RidgeModel
from tunedb.errors import BadInputError, NotFoundError, UsageError

WIDTH = len(loop_nest.names())
CALLS = {
    "one": {"conv1": 2.0, "shared": 1.0},
    "two": {"dense1": 1.0, "shared": 3.0},
    "three": {"pool1": 1.0},
    "elsewhere": {"never-measured": 1.0},
}


def pool(workload: str, best_secs: float = 1.0) -> Pool:
    rng = np.random.default_rng(sum(map(ord, workload)))
    features = np.zeros((30, WIDTH))
    features[:, :8] = rng.uniform(0, 4, size=(30, 8))
    scores = np.exp(-0.5 * features[:, 5])
    ids = tuple(f"{workload}{n}" for n in range(30))
    return Pool(workload, workload, workload[:-1], "t", features, scores / scores.max(), ids, best_secs=best_secs)


POOLS = [pool(name) for name in ("conv1", "dense1", "shared", "pool1", "alone1")]


def test_no_workload_of_a_network_that_is_left_out_is_learned() -> None:
    tested: set[str] = set()
    for fold in folds(NETWORKS, POOLS, "t", calls=CALLS):
        assert fold.networks
        learned = {its.workload_id for its in fold.train}
        assert "alone1" in learned
        for name, pools in fold.networks.items():
            tested.add(name)
            assert not learned & set(CALLS[name])
            assert {its.workload_id for its in pools} == set(CALLS[name])
        assert {id(its) for its in fold.test} == {id(its) for pools in fold.networks.values() for its in pools}
    assert tested == {"one", "two", "three"}


def test_figures_are_of_networks() -> None:
    figures = evaluate(POOLS, {"ridge": RidgeModel}, [NETWORKS], calls=CALLS).figures
    top = {row.workload_id: row.value for row in figures if row.metric == "top5"}
    assert set(top) == {None, "one", "two", "three"}
    assert top[None] == pytest.approx(np.mean([top["one"], top["two"], top["three"]]))


def test_a_network_is_the_mean_of_its_workloads_by_their_time() -> None:
    slow, fast = pool("conv1", best_secs=3.0), pool("shared", best_secs=2.0)
    made = of_network([(slow, {"top1": 0.5, "pairwise": 0.7}), (fast, {"top1": 1.0})], CALLS["one"])
    assert made == {"top1": pytest.approx((6 * 0.5 + 2 * 1.0) / 8), "pairwise": pytest.approx(0.7)}


def test_which_networks_must_be_said() -> None:
    with pytest.raises(UsageError, match="--networks"):
        list(folds(NETWORKS, POOLS, "t"))


def test_background_is_learned_from_and_not_tested_on() -> None:
    background = dataclasses.replace(pool("conv1"), is_background=True)
    made = list(folds(NETWORKS, [*POOLS[1:], background], "t", calls=CALLS))
    assert all(id(its) != id(background) for fold in made for its in fold.test)


def test_files_that_name_no_networks(tmp_path: Path) -> None:
    file = tmp_path / "networks.json"
    with pytest.raises(NotFoundError, match="collect"):
        read_networks(file)
    for text in ("[", "{}", '{"networks": {"one": {"conv1": "twice"}}}'):
        file.write_text(text)
        with pytest.raises(BadInputError, match="names networks"):
            read_networks(file)
    file.write_text('{"left": 3, "networks": {"one": {"conv1": 2}}}')
    assert read_networks(file) == {"one": {"conv1": 2.0}}
