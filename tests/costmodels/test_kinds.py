"""What there is for each kind of target, and that a new kind is a row."""

import dataclasses

import numpy as np
import pytest

from costmodels.features import FAMILIES
from costmodels.kinds import KINDS, TargetKind, of_kind
from costmodels.models.roofline import RooflineModel
from costmodels.models.untrained import RandomModel
from costmodels.pools import read_pools
from costmodels.registry.choose import load_model
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
from costmodels.shipped import Prior
from costmodels.training import TrainOptions, train


def test_a_cpu_has_everything_and_an_unknown_kind_the_least():
    cpu, unknown = of_kind("llvm"), of_kind("quantum")

    assert cpu.untrained is RooflineModel
    assert cpu.prior.model_folder is not None
    assert (unknown.untrained, unknown.prior.model_folder) == (None, None)
    assert (unknown.prior.pools, unknown.prior.schedules, dict(unknown.prior.code_rows)) == ((), (), {})
    assert unknown.features is cpu.features
    assert of_kind(None) is unknown


@pytest.mark.tvm
def test_a_new_kind_is_a_row(matmul_store, target, monkeypatch):
    """With features and a model of its own, for pools, training, the manifest and what predicts."""
    trace = FAMILIES["trace"]
    monkeypatch.setitem(KINDS, "llvm", TargetKind(trace, None, "ridge", RandomModel, Prior(trace)))

    (pool, *_) = read_pools(matmul_store, target).pools
    (trained,) = train(matmul_store, options=TrainOptions()).trained
    loaded = load_model(matmul_store, target.target_id)

    assert pool.features.shape == (24, len(trace.names()))
    assert pool.code is None
    assert (trained.manifest.kind, trained.manifest.feature_version) == ("ridge", trace.FEATURE_VERSION)
    assert loaded.manifest == trained.manifest
    assert np.isfinite(loaded.model.predict(pool.features).mean).all()


def test_a_model_for_another_kinds_features_is_passed_over(store, target, make_made_up_dataset, monkeypatch):
    from costmodels.models.ridge import RidgeModel

    model = RidgeModel(members=2)
    model.fit(make_made_up_dataset(groups=2, size=30), seed=0)
    save_model(store, model, trained_on=TrainedOn.snapshot(target, "7", ["t"], 1, 1), seed=0)
    assert load_model(store, target.target_id, kind="llvm").manifest.kind == "ridge"

    row = dataclasses.replace(KINDS["llvm"], features=FAMILIES["trace"], prior=Prior(FAMILIES["trace"]))
    monkeypatch.setitem(KINDS, "llvm", row)

    assert load_model(store, target.target_id, kind="llvm") is None
