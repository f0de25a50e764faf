"""Where models are kept: whole or not at all, in any store."""

from pathlib import Path

import numpy as np
import pytest

from costmodels import features
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.two_stage import TwoStageModel
from costmodels.registry.choose import load_model, promote, saved_models
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import load_folder, load_saved, save_model
from tunedb.errors import ModelError, StoreError
from tunedb.store.artifacts import FolderArtifacts


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


def test_missing_and_stray_files_are_refused(store, saved):
    folder = Path(saved.location)
    for load in (lambda: load_folder(folder), lambda: load_saved(store, saved)):
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
        load_saved(any_store, first)
    any_store.artifacts.delete(f"{first.folder}/manifest.json")
    assert saved_models(any_store) == [second]
