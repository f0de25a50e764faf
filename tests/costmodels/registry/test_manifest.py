"""What must hold before a saved model is loaded."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from costmodels.models.ridge import RidgeModel
from costmodels.registry.manifest import Optimized, TrainedOn, read_manifest
from costmodels.registry.saved import load_folder, load_saved, save_model
from tunedb.errors import ModelError


def test_a_changed_byte_is_refused_with_file_and_hashes(store, saved):
    path = Path(saved.location) / "member-1.txt"
    expected = saved.manifest.files["member-1.txt"]
    path.write_text(path.read_text().replace("tree", "tred", 1))

    with pytest.raises(ModelError) as raised:
        load_saved(store, saved)

    assert "member-1.txt" in str(raised.value)
    assert expected in str(raised.value)


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
        ({"created_at": "2026-01-01T00:00:00"}, "created_at"),
        ({"name": "../.."}, "cannot be the name"),
        ({"name": "/etc"}, "cannot be the name"),
        ({"name": "a/b"}, "cannot be the name"),
        ({"name": "a\\b"}, "cannot be the name"),
        ({"name": ""}, "cannot be the name"),
        ({"name": ".."}, "cannot be the name"),
        ({"name": "a\nb"}, "cannot be the name"),
        ({"name": "a" * 300}, "cannot be the name"),
    ],
)
def test_a_foreign_manifest_is_refused(saved, changes, message, edit_manifest):
    edit_manifest(saved, **changes)

    with pytest.raises(ModelError, match=message):
        load_folder(Path(saved.location))


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_id", "../../etc"),
        ("target_id", "znver5"),
        ("trial_ids_sha256", "0"),
        ("num_trials", -1),
        ("num_workloads", 1e300),
        ("target_kind", 7),
    ],
)
def test_what_it_was_trained_on_is_checked(saved, name, value, edit_manifest):
    trained_on = msgspec.to_builtins(saved.manifest.trained_on)
    edit_manifest(saved, trained_on={**trained_on, name: value})

    with pytest.raises(ModelError, match=name):
        load_folder(Path(saved.location))


def test_a_manifest_is_refused_wherever_it_is_cut(saved):
    content = saved.manifest.encoded()
    for length in range(0, len(content) - 2, 7):
        with pytest.raises(ModelError, match=r"here/manifest\.json"):
            read_manifest(content[:length], "here/manifest.json")


def test_a_model_of_another_width_is_refused_before_it_is_asked(store, target, make_made_up_dataset):
    dataset = make_made_up_dataset(groups=2, size=30)
    model = RidgeModel(members=2)
    model.fit(dataclasses.replace(dataset, features=dataset.features[:, :9]), seed=0)
    saved = save_model(store, model, trained_on=TrainedOn.snapshot(target, "7", ["t"], 1, 1), seed=0)

    with pytest.raises(ModelError, match="wants features"):
        load_saved(store, saved)
