"""What must hold before a saved model is loaded."""

from pathlib import Path

import msgspec
import pytest

from costmodels.registry.choose import load_model
from costmodels.registry.manifest import Optimized, read_manifest
from costmodels.registry.saved import load_folder
from tunedb.errors import ModelError


def test_a_changed_byte_is_refused_with_file_and_hashes(store, target, saved):
    path = Path(saved.location) / "member-1.txt"
    expected = saved.manifest.files["member-1.txt"]
    path.write_text(path.read_text().replace("tree", "tred", 1))

    with pytest.raises(ModelError) as raised:
        load_model(store, target.target_id)

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
