import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from costmodels import features
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.two_stage import TwoStageModel
from costmodels.registry.adopt import adopt
from costmodels.registry.choose import find_model, load_model, promote, promoted, saved_models
from costmodels.registry.manifest import Optimized, TrainedOn, read_manifest
from costmodels.registry.saved import load_folder, save_model
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError, StoreError
from tunedb.store.artifacts import FolderArtifacts
from tunedb.store.memory import MemoryStore
from tunedb.store.opening import open_store


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


def edit_manifest(saved, **changes):
    path = Path(saved.location) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_saved_model_is_found_and_predicts_the_same(store, target, model, saved):
    loaded = load_model(store, target.target_id)

    rows = np.random.default_rng(0).normal(size=(9, len(features.loop_nest.names())))
    assert (loaded.model.predict(rows).mean == model.predict(rows).mean).all()
    assert (loaded.location, loaded.manifest) == (saved.location, saved.manifest)
    assert loaded.trained_on.num_trials == 2
    assert loaded.trained_on.trial_ids_sha256 == TrainedOn.snapshot(target, "9", ["t1", "t2"], 2, 1).trial_ids_sha256
    assert loaded.manifest.metrics == {"top1": 0.7}
    assert not loaded.transferred
    assert "2 trials of 1 workloads of znver5" in loaded.describe()


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


def test_a_changed_byte_is_refused_with_file_and_hashes(store, target, saved):
    path = Path(saved.location) / "member-1.txt"
    expected = saved.manifest.files["member-1.txt"]
    path.write_text(path.read_text().replace("tree", "tred", 1))

    with pytest.raises(ModelError) as raised:
        load_model(store, target.target_id)

    assert "member-1.txt" in str(raised.value)
    assert expected in str(raised.value)


def test_missing_and_stray_files_are_refused(store, target, saved):
    folder = Path(saved.location)
    for load in (lambda: load_folder(folder), lambda: load_model(store, target.target_id)):
        (folder / "extra.txt").write_text("")
        with pytest.raises(ModelError, match=r"extra\.txt is not in"):
            load()
        (folder / "extra.txt").unlink()
        content = (folder / "member-0.txt").read_text()
        (folder / "member-0.txt").unlink()
        with pytest.raises(ModelError, match=r"member-0\.txt.*missing"):
            load()
        (folder / "member-0.txt").write_text(content)
        load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_version": "per_store-0"}, "per_store-0"),
        ({"kind": "perceptron"}, "perceptron"),
        ({"kind": "second-look"}, "became two-stage models: train again"),
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
        load_folder(Path(saved.location))


def test_files_in_a_folder_are_in_the_manifest_too(store, target, make_made_up_dataset):
    model = TwoStageModel(LightGBMModel(num_trees=5, members=2))
    model.fit(make_made_up_dataset(groups=2, size=40), seed=0)
    saved = save_model(store, model, trained_on=TrainedOn.snapshot(target, "7", ["t"], 1, 1), seed=0)
    directory = Path(saved.location)

    assert "first/member-0.txt" in load_folder(directory)[1].files
    path = directory / "first" / "member-0.txt"
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(ModelError, match=r"first/member-0\.txt does not match"):
        load_folder(directory)
    (directory / "other").mkdir()
    (directory / "other" / "stray.txt").write_text("")
    with pytest.raises(ModelError, match=r"other/stray\.txt is not in"):
        load_folder(directory)


def test_a_model_for_other_features_is_passed_over(store, target, saved):
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


def test_a_model_appears_when_it_is_whole(store, target, model, monkeypatch):
    """What is written last is the manifest, and until then there is no model."""
    write, seen = FolderArtifacts.write, []

    def spy(self, name, content):
        seen.append((name.rpartition("/")[2], len(saved_models(store))))
        write(self, name, content)

    monkeypatch.setattr(FolderArtifacts, "write", spy)
    save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert seen[-1] == ("manifest.json", 0)
    assert {number for _, number in seen} == {0}
    assert len(saved_models(store)) == 1


def test_a_save_that_fails_leaves_nothing(store, target, model, monkeypatch):
    write = FolderArtifacts.write

    def full(self, name, content):
        if name.endswith("manifest.json"):
            raise StoreError("disk full")
        write(self, name, content)

    monkeypatch.setattr(FolderArtifacts, "write", full)

    with pytest.raises(StoreError, match="disk full"):
        save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert store.artifacts.names("models") == []


def test_a_model_of_the_old_name_says_train_again_and_training_is_not_stopped_by_it(store, target, model, saved):
    edit_manifest(saved, kind="second-look")
    (old,) = saved_models(store)

    with pytest.raises(ModelError, match="train again"):
        load_model(store, target.target_id)
    assert not old.manifest.is_repeated_by("two-stage", old.manifest.trained_on, old.manifest.seed, None)
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    assert load_model(store, target.target_id).location == newer.location


def test_a_training_that_chose_hyper_parameters_is_repeated_by_the_same_number_of_evaluations(saved):
    manifest = saved.manifest
    chosen = msgspec.structs.replace(manifest, optimized=Optimized(8, 3, "objective", 0.9, 0.8))

    def repeats(one, evaluations):
        return one.is_repeated_by("lightgbm", one.trained_on, 3, evaluations)

    assert repeats(manifest, None)
    assert not repeats(manifest, 8)
    assert repeats(chosen, None)
    assert repeats(chosen, 8)
    assert not repeats(chosen, 16)
    assert not chosen.is_repeated_by("lightgbm", chosen.trained_on, 4, 8)
    assert b"optimized" not in manifest.encoded()
    assert read_manifest(chosen.encoded(), "here") == chosen


@pytest.fixture(params=["memory", "bucket", "folder"])
def any_store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "folder":
        with open_store(tmp_path / "store", create=True) as opened:
            yield opened
    else:
        bucket = request.getfixturevalue("bucket")
        with open_store(bucket.url, create=True, storage_options=bucket.options) as opened:
            yield opened


def test_any_store_carries_its_models(any_store, target, model, make_made_up_dataset):
    trained_on = TrainedOn.snapshot(target, "7", ["t2", "t1"], 2, 1)
    two_stage = TwoStageModel(LightGBMModel(num_trees=5, members=2))
    two_stage.fit(make_made_up_dataset(groups=2, size=30), seed=0)
    first = save_model(any_store, model, trained_on=trained_on, seed=3)
    second = save_model(any_store, two_stage, trained_on=trained_on, seed=3)

    loaded = load_model(any_store, target.target_id)

    rows = np.random.default_rng(0).normal(size=(9, len(features.loop_nest.names())))
    assert loaded.location == second.location
    assert (loaded.model.predict(rows).mean == two_stage.predict(rows).mean).all()
    assert saved_models(any_store) == [first, second]
    promote(any_store, first.manifest)
    assert (load_model(any_store, target.target_id).model.predict(rows).mean == model.predict(rows).mean).all()
    any_store.artifacts.write(f"{first.folder}/member-0.txt", b"tree")
    with pytest.raises(ModelError, match=r"member-0\.txt does not match"):
        load_model(any_store, target.target_id)
    any_store.artifacts.delete(f"{first.folder}/manifest.json")
    assert saved_models(any_store) == [second]


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
