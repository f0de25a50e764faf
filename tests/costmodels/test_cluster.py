"""A local cluster of two workers: the same features, the same accuracy, and nothing lost with a worker."""

from __future__ import annotations

import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tunedb
from costmodels import cluster as cluster_module
from costmodels.cluster import Cluster
from costmodels.compute import Compute
from costmodels.extraction.extract import Job, featurise
from costmodels.features import loop_nest
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.xgboost import XGBoostModel
from costmodels.pools import features_of
from costmodels.training import TrainOptions, train
from tunedb.errors import UsageError
from tunedb.ingest.pipeline import ingest
from tunedb.records import Outcome
from tunedb.store.contract import Store

LOGS = Path(__file__).parents[2] / "data" / "metaschedule" / "znver5-1core.tar.xz"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Any]:
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local


@pytest.fixture
def cluster(scheduler: Any) -> Iterator[Cluster]:
    with Cluster(scheduler.scheduler_address) as connected:
        yield connected


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    with tarfile.open(LOGS) as tar:
        wanted = [m for m in tar.getmembers() if m.name.split("/")[-1 - m.isfile()] in ("GMM-0", "NRM-1")]
        tar.extractall(tmp_path / "logs", wanted, filter="data")
    with tunedb.open_store(tmp_path / "store") as store:
        ingest(store, [tmp_path / "logs"])
        yield store


def test_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECS", 0.5)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        Cluster("tcp://127.0.0.1:9")


@pytest.mark.tvm
def test_features_are_the_same_bit_for_bit(opened: Store, cluster: Cluster) -> None:
    (target,) = opened.targets()
    trials = list(opened.trials(target_id=target.target_id, outcome=Outcome.OK))[::8]
    modules = {trial.module_id for trial in trials}
    alone = featurise(
        [
            Job(opened.module(m), target, [t for t in trials if t.module_id == m], loop_nest.FEATURE_VERSION)
            for m in modules
        ],
        workers=2,
    )
    found = features_of(opened, target, trials, loop_nest, compute=Compute(cluster=cluster))
    assert found.num_cached == 0
    assert not found.causes
    assert found.rows.keys() == alone.rows.keys()
    assert all(np.array_equal(found.rows[key], alone.rows[key]) for key in found.rows)
    again = features_of(opened, target, trials, loop_nest)
    assert again.num_cached == len(trials), "the cluster's rows are not in the cache"


@pytest.mark.tvm
def test_a_killed_worker_loses_nothing(
    opened: Store, cluster: Cluster, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_CHUNK", 8)
    (target,) = opened.targets()
    trials = list(opened.trials(target_id=target.target_id, outcome=Outcome.OK))[::3]
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed and done < total:
            killed.append(next(iter(scheduler.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    found = features_of(opened, target, trials, loop_nest, compute=Compute(cluster=cluster, on_progress=kill))
    assert killed
    assert not found.causes
    assert len(found.rows) == len(trials)


@pytest.mark.tvm
def test_trains_on_a_cluster(opened: Store, cluster: Cluster) -> None:
    options = TrainOptions(bundled=False, save=False, max_trials_per_workload=48)
    (alone,) = train(opened, options=options).trained
    (together,) = train(opened, options=options, compute=Compute(cluster=cluster)).trained
    assert together.manifest.trained_on == alone.manifest.trained_on
    expected = pytest.approx(alone.manifest.metrics["pairwise"], abs=0.1)
    assert together.manifest.metrics["pairwise"] == expected


@pytest.mark.parametrize("family", [LightGBMModel, XGBoostModel])
def test_trees_of_a_cluster_are_as_accurate(family: Any, make_made_up_dataset: Any, cluster: Cluster) -> None:
    dataset = make_made_up_dataset(groups=6, size=80)
    errors = []
    for where in (None, cluster):
        model = family(num_trees=60, members=2, compute=Compute(cluster=where))
        held_out = model.fit(dataset, seed=0)
        errors.append(np.corrcoef(held_out.mean, dataset.log_costs)[0, 1])
    assert errors[1] == pytest.approx(errors[0], abs=0.05)
    again = family.load(model.save()).predict(dataset.features[:5]).mean
    assert np.allclose(again, model.predict(dataset.features[:5]).mean)
