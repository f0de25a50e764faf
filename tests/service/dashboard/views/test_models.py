"""Models of a store: their accuracy over time, and which one predicts; predictions beside measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from costmodels.dataset import dataset_of
from costmodels.models.ridge import RidgeModel
from costmodels.pools import Selection, read_pools
from costmodels.registry.choose import load_model, promote
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
from service.dashboard.panel import Filters
from service.dashboard.views import accuracy, models
from service.dashboard.views.accuracy import guesses
from tests.service.dashboard.views.conftest import LOGS, named
from tunedb import Store, open_store
from tunedb.ingest.pipeline import ingest

METRICS = ({"spearman": 0.7, "pairwise": 0.8, "top1": 0.6}, {"spearman": 0.9, "pairwise": 0.95, "top1": 0.85})


@pytest.fixture(scope="module")
def trained() -> Any:
    """Real logs with features of some of their trials, and two models, the older one promoted."""
    with open_store("memory:") as store:
        ingest(store, [LOGS])
        (target,) = store.targets()
        wanted = {"matmul 1x512x512x512 float32", "matmul 1x128x128x128 float32"}
        excluded = frozenset(row.workload_id for row in store.workloads() if row.name not in wanted)
        reading = read_pools(store, target, Selection(excluded, limit=30))
        model = RidgeModel()
        model.fit(dataset_of(reading.pools), seed=0)
        for number, metrics in enumerate(METRICS):
            on = TrainedOn.snapshot(target, str(number), [f"t{n}" for n in range(10 + number)], 10 + number, 2)
            saved = save_model(store, model, trained_on=on, seed=number, metrics=metrics, split="held out")
            if number == 0:
                promote(store, saved.manifest)
        yield store


@pytest.mark.tvm
def test_accuracy_and_lineage(trained: Store) -> None:
    panels = models.VIEW.build(trained, Filters())
    rows = named(panels, "accuracy").table.to_pylist()
    assert [(row["metric"], row["value"], row["predicts"]) for row in rows if row["metric"] == "rank correlation"] == [
        ("rank correlation", 0.7, True),
        ("rank correlation", 0.9, False),
    ]
    assert "rank correlation 0.900" in named(panels, "accuracy").summary
    first, second = named(panels, "lineage").table.to_pylist()
    assert (first["before_it"], second["before_it"]) == (None, first["model"])
    assert (first["is_promoted"], second["is_promoted"]) == (True, False)
    assert (first["trials"], second["trials"]) == (10, 11)
    assert "2 models, 1 promoted" in named(panels, "lineage").summary


@pytest.mark.tvm
def test_predictions_stand_beside_measurements(trained: Store) -> None:
    (target,) = trained.targets()
    loaded = load_model(trained, target.target_id)
    assert loaded is not None
    found = guesses(trained, target, loaded, Filters())
    assert len(found.rows) == 60
    assert found.num_without == 30 * 12  # of the other workloads nothing is computed for a page
    assert found.num_beyond == sum(row.num_trials - row.num_failed for row in trained.workloads()) - 30 * 14
    by_workload: dict[str, list[float]] = {}
    for one in found.rows:
        by_workload.setdefault(one.workload, []).append(one.measured)
    assert all(abs(float(np.mean(values))) < 1e-9 for values in by_workload.values())
    assert len(found.correlations) == 2
    panels = accuracy.VIEW.build(trained, Filters(target=target.target_id))
    predicted, calibration = named(panels, "predicted"), named(panels, "calibration")
    assert predicted.table.num_rows == 60
    assert f"rank correlation {np.mean(found.correlations):.3f} in the mean of 2 workloads" in predicted.summary
    shares = {row["told_share"]: row["found_share"] for row in calibration.table.to_pylist()}
    assert list(shares.values()) == sorted(shares.values())
    within = sum(one.sigmas <= 1.6448536 for one in found.rows) / 60
    assert shares[0.9] == pytest.approx(within)


def test_without_features_nothing_is_replayed(logs: Store) -> None:
    (target,) = logs.targets()
    panel = named(accuracy.VIEW.build(logs, Filters(target=target.target_id)), "predicted")
    assert "the store has no features of any of 420 good trials" in panel.summary


def test_a_store_without_models_says_so(logs: Store) -> None:
    assert "`tunedb train` makes one" in named(models.VIEW.build(logs, Filters()), "lineage").summary
