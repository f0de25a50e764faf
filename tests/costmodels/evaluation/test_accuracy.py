"""What the fixed configuration is worth on real measurements, each workload unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from costmodels import metrics
from costmodels.compute import Compute
from costmodels.dataset import Dataset, dataset_of
from costmodels.models.lightgbm import LightGBMModel
from costmodels.pools import Selection, read_pools
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore

LOGS = Path(__file__).parents[3] / "data/metaschedule/x86-64-v3-1core.tar.xz"

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """48 trials of each of the 14 workloads, spread over its latencies."""
    store = MemoryStore()
    ingest(store, [LOGS])
    (target,) = store.targets()
    reading = read_pools(store, target, Selection(limit=48), compute=Compute(2))
    assert not reading.skipped
    return dataset_of(reading.pools)


def held_out_top5(dataset: Dataset) -> float:
    held_out = LightGBMModel(members=2, judges=len(dataset.workload_ids), num_trees=100).fit(dataset, seed=0)
    return metrics.summary(dataset.scores, held_out.mean, dataset.groups)["top5"]


def test_beats_chance_on_unseen_workloads_by_a_clear_margin(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)
    chance = [metrics.summary(dataset.scores, rng.normal(size=len(dataset)), dataset.groups)["top5"] for _ in range(50)]
    shuffled = dataset.scores.copy()
    for group in np.unique(dataset.groups):
        rows = np.flatnonzero(dataset.groups == group)
        shuffled[rows] = rng.permutation(shuffled[rows])
    learned_nothing = LightGBMModel(members=2, judges=len(dataset.workload_ids), num_trees=100).fit(
        Dataset(dataset.features, shuffled, dataset.groups, dataset.workload_ids, dataset.trial_ids), seed=0
    )

    bar = float(np.mean(chance)) + 0.15
    found = held_out_top5(dataset)
    without = metrics.summary(dataset.scores, learned_nothing.mean, dataset.groups)["top5"]
    assert found > bar
    assert without < bar
