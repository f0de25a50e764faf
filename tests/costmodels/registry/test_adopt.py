"""Models that load, and models that do not, are tried in a process of their own."""

import json
from pathlib import Path

import pytest

from costmodels.models.lightgbm import LightGBMModel
from costmodels.registry.adopt import adopt
from costmodels.registry.choose import load_model, saved_models
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
from tunedb.errors import ModelError


@pytest.fixture
def elsewhere(store, target, make_made_up_dataset, tmp_path):
    """A saved model's folder, outside of the store."""
    store.append([], targets=[target])
    model = LightGBMModel(num_trees=5, members=2)
    model.fit(make_made_up_dataset(groups=2, size=30), seed=0)
    saved = save_model(store, model, trained_on=TrainedOn.snapshot(target, "7", ["t"], 1, 1), seed=0)
    return Path(saved.location).rename(tmp_path / "elsewhere")


def test_a_model_that_predicts_is_taken(store, target, elsewhere):
    (elsewhere / "member-0.txt").open("a").write("\n")

    adopted = adopt(store, elsewhere)

    assert "-changed-" in adopted.manifest.name
    assert load_model(store, target.target_id).location == adopted.location


def test_a_model_that_cannot_be_read_is_refused_with_the_reason(store, elsewhere):
    manifest = json.loads((elsewhere / "manifest.json").read_text())
    (elsewhere / "manifest.json").write_text(json.dumps({**manifest, "feature_version": "per_store-0"}))

    with pytest.raises(ModelError, match="per_store-0"):
        adopt(store, elsewhere)

    assert saved_models(store) == []
    assert store.artifacts.names("models") == []


def test_a_model_that_crashes_the_process_is_refused(store, elsewhere):
    member = elsewhere / "member-0.txt"
    member.write_text(member.read_text().replace("left_child=", "left_child=2147483000 ", 1))

    with pytest.raises(ModelError, match=r"refused: ended the process \(signal"):
        adopt(store, elsewhere)

    assert saved_models(store) == []
    assert store.artifacts.names("models") == []


def test_a_model_is_adopted_by_any_store(any_store, target, saved):
    adopted = adopt(any_store, Path(saved.location))

    assert adopted.manifest == saved.manifest
    assert load_model(any_store, target.target_id).manifest == saved.manifest
    with pytest.raises(ModelError, match="has this model already"):
        adopt(any_store, Path(saved.location))


def test_a_foreign_model_that_cannot_be_loaded_is_not_adopted(any_store, saved, tmp_path):
    bad = Path(saved.location) / "member-0.txt"
    bad.write_text("no trees")

    with pytest.raises(ModelError, match="odel"):
        adopt(any_store, Path(saved.location))
    assert saved_models(any_store) == []
