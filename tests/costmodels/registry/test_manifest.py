import dataclasses
import json

import numpy as np
import pytest

from costmodels import features
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.two_stage import SecondLookModel
from costmodels.registry.choose import find_model, load_model, promote, promoted, saved_models
from costmodels.registry.manifest import TrainedOn, load_verified, save_model, store_folder
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError
from tunedb.store.memory import MemoryStore


@pytest.fixture
def model(make_made_up_dataset):
    model = LightGBMModel(num_trees=5, members=2)
    model.fit(make_made_up_dataset(groups=2, size=30), seed=0)
    return model


@pytest.fixture
def saved(store, target, model):
    store.append([], targets=[target])
    trained_on = TrainedOn.snapshot(target, "7", ["t2", "t1"], 2, 1)
    return save_model(store, model, trained_on=trained_on, seed=3, metrics={"top1": 0.7}, split="held out")


def edit_manifest(directory, **changes):
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_saved_model_is_found_and_predicts_the_same(store, target, model, saved):
    loaded = load_model(store, target.target_id)

    rows = np.random.default_rng(0).normal(size=(9, len(features.DEFAULT.names())))
    assert (loaded.model.predict(rows).mean == model.predict(rows).mean).all()
    assert loaded.directory == saved
    assert loaded.trained_on.num_trials == 2
    assert loaded.trained_on.trial_ids_sha256 == TrainedOn.snapshot(target, "9", ["t1", "t2"], 2, 1).trial_ids_sha256
    assert loaded.manifest.metrics == {"top1": 0.7}
    assert not loaded.transferred
    assert "2 trials of 1 workloads of znver5" in loaded.describe()


def test_the_newest_model_of_the_target_wins(store, target, model, saved):
    trained_on = TrainedOn.snapshot(target, "8", ["t"], 1, 1)
    newer = save_model(store, model, trained_on=trained_on, seed=0)

    assert load_model(store, target.target_id).directory == newer


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


def test_a_changed_byte_is_refused_with_file_and_hashes(store, target, saved):
    path = saved / "member-1.txt"
    expected = json.loads((saved / "manifest.json").read_text())["files"]["member-1.txt"]
    path.write_text(path.read_text().replace("tree", "tred", 1))

    with pytest.raises(ModelError) as raised:
        load_model(store, target.target_id)

    assert "member-1.txt" in str(raised.value)
    assert expected in str(raised.value)


def test_missing_and_stray_files_are_refused(saved):
    (saved / "extra.txt").write_text("")
    with pytest.raises(ModelError, match=r"extra\.txt is not in"):
        load_verified(saved)
    (saved / "extra.txt").unlink()
    (saved / "member-0.txt").unlink()
    with pytest.raises(ModelError, match=r"member-0\.txt.*missing"):
        load_verified(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_version": "per_store-0"}, "per_store-0"),
        ({"kind": "perceptron"}, "perceptron"),
        ({"files": {"../member-0.txt": "0"}}, "plain file name"),
        ({"files": {"first/../../member-0.txt": "0"}}, "plain file name"),
        ({"files": {"/etc/passwd": "0"}}, "plain file name"),
        ({"files": {"manifest.json": "0"}}, "plain file name"),
        ({"surprise": 1}, "surprise"),
        ({"created_at": "yesterday"}, "created_at"),
    ],
)
def test_a_foreign_manifest_is_refused(saved, changes, message):
    edit_manifest(saved, **changes)

    with pytest.raises(ModelError, match=message):
        load_verified(saved)


def test_files_in_a_folder_are_in_the_manifest_too(store, target, make_made_up_dataset):
    model = SecondLookModel(LightGBMModel(num_trees=5, members=2))
    model.fit(make_made_up_dataset(groups=2, size=40), seed=0)
    directory = save_model(store, model, trained_on=TrainedOn.snapshot(target, "7", ["t"], 1, 1), seed=0)

    assert "first/member-0.txt" in load_verified(directory)[1].files
    path = directory / "first" / "member-0.txt"
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(ModelError, match=r"first/member-0\.txt does not match"):
        load_verified(directory)
    (directory / "other").mkdir()
    (directory / "other" / "stray.txt").write_text("")
    with pytest.raises(ModelError, match=r"other/stray\.txt is not in"):
        load_verified(directory)


def test_a_model_for_other_features_is_passed_over(store, target, saved):
    edit_manifest(saved, feature_version="per_store-0")

    loaded = load_model(store, target.target_id)
    assert loaded is None or loaded.is_shipped


def test_a_promoted_model_wins_over_newer_ones(store, target, model, saved):
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    assert [directory for directory, _ in saved_models(store)] == [saved, newer]

    promote(store, find_model(store, saved.name)[1])

    assert promoted(store) == {target.target_id: saved.name}
    assert load_model(store, target.target_id).directory == saved
    with pytest.raises(NotFoundError, match="no model"):
        find_model(store, "nothing")
    with pytest.raises(AmbiguousPrefixError, match="may be any of"):
        find_model(store, "lightgbm")
    (saved.parent / "promoted.json").write_text("[")
    with pytest.raises(ModelError, match="delete it"):
        load_model(store, target.target_id)


def test_an_unreadable_model_does_not_hide_a_good_one(store, target, model, saved):
    (saved / "manifest.json").write_text("{")
    good = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert load_model(store, target.target_id).directory == good


def test_a_save_that_fails_leaves_nothing(store, target, model, monkeypatch):
    def write_half(self, directory):
        (directory / "half").write_text("")
        raise OSError("disk full")

    monkeypatch.setattr(LightGBMModel, "save", write_half)

    with pytest.raises(OSError, match="disk full"):
        save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert list((store_folder(store) / "models").iterdir()) == []


def test_a_store_without_a_folder_has_no_models(target, model):
    store = MemoryStore()

    assert load_model(store, target.target_id) is None
    with pytest.raises(ModelError, match="memory:"):
        save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
