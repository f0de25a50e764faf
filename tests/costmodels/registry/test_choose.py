"""Which of several models predicts."""

import dataclasses
from pathlib import Path

import pytest

from costmodels.registry.choose import find_model, load_model, promote, promoted, saved_models
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError


def test_the_newest_model_of_the_target_wins(store, target, model, saved):
    trained_on = TrainedOn.snapshot(target, "8", ["t"], 1, 1)
    newer = save_model(store, model, trained_on=trained_on, seed=0)

    assert load_model(store, target.target_id).location == newer.location


def test_another_target_of_the_kind_gets_it_as_a_transfer(store, target, saved):
    other = dataclasses.replace(target, target_id="b" * 64, arch="x86-64-v3")
    gpu = dataclasses.replace(target, target_id="c" * 64, kind="cuda")
    store.append([], targets=[other, gpu])

    loaded = load_model(store, other.target_id)

    assert loaded.transferred
    assert loaded.trained_on.target_arch == "znver5"
    assert "transferred from znver5" in loaded.describe()
    assert load_model(store, gpu.target_id) is None
    assert load_model(store, "d" * 64) is None
    assert load_model(store, "d" * 64, kind="llvm").transferred


def test_a_model_for_other_features_is_passed_over(store, target, saved, edit_manifest):
    edit_manifest(saved, feature_version="per_store-0")

    loaded = load_model(store, target.target_id)
    assert loaded is None or loaded.is_bundled


def test_a_promoted_model_wins_over_newer_ones(store, target, model, saved):
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    assert saved_models(store) == [saved, newer]

    promote(store, find_model(store, saved.manifest.name).manifest)

    assert promoted(store) == {target.target_id: saved.manifest.name}
    assert load_model(store, target.target_id).location == saved.location
    with pytest.raises(NotFoundError, match="no model"):
        find_model(store, "nothing")
    with pytest.raises(AmbiguousPrefixError, match="may be any of"):
        find_model(store, "lightgbm")
    (Path(saved.location).parent / "promoted.json").write_text("[")
    with pytest.raises(ModelError, match="delete it"):
        load_model(store, target.target_id)


def test_an_unreadable_model_does_not_hide_a_good_one(store, target, model, saved):
    (Path(saved.location) / "manifest.json").write_text("{")
    good = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert load_model(store, target.target_id).location == good.location


def test_a_model_of_the_old_name_asks_to_train_again_and_does_not_stop_that(store, target, model, saved, edit_manifest):
    edit_manifest(saved, kind="second-look")
    (old,) = saved_models(store)

    with pytest.raises(ModelError, match="train again"):
        load_model(store, target.target_id)
    assert not old.manifest.is_repeated_by("two-stage", old.manifest.trained_on, old.manifest.seed, None)
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    assert load_model(store, target.target_id).location == newer.location
