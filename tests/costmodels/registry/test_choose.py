"""Which of several models predicts."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from costmodels.registry.check import model_problems
from costmodels.registry.choose import demote, find_model, load_model, promote, promoted, saved_models
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
from tunedb.errors import AmbiguousPrefixError, NotFoundError


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


def test_a_promoted_model_wins_over_newer_ones(store, target, model, saved, caplog):
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
    assert promoted(store) == {}
    assert "promote one again" in caplog.text
    assert load_model(store, target.target_id).location == newer.location


def test_an_unreadable_model_does_not_hide_a_good_one(store, target, model, saved):
    (Path(saved.location) / "manifest.json").write_text("{")
    good = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)

    assert load_model(store, target.target_id).location == good.location


def test_a_model_of_the_old_name_asks_to_train_again_and_does_not_stop_that(
    store, target, model, saved, edit_manifest, caplog
):
    edit_manifest(saved, kind="second-look")
    (old,) = saved_models(store)

    assert load_model(store, target.target_id).is_bundled
    assert "train again" in caplog.text
    assert not old.manifest.is_repeated_by("two-stage", old.manifest.trained_on, old.manifest.seed, None)
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    assert load_model(store, target.target_id).location == newer.location


def test_a_promotion_is_taken_back(store, target, model, saved):
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    promote(store, saved.manifest)

    with pytest.raises(NotFoundError, match=f"promoted are: {saved.manifest.name}"):
        demote(store, newer.manifest.name)
    assert demote(store, saved.manifest.name[-8:]) == saved.manifest.name

    assert promoted(store) == {}
    assert load_model(store, target.target_id).location == newer.location
    with pytest.raises(NotFoundError, match="promoted are: none"):
        demote(store, saved.manifest.name)


def test_a_promoted_model_that_is_gone_is_named_and_can_be_demoted(store, target, model, saved, caplog):
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    promote(store, saved.manifest)
    shutil.rmtree(saved.location)

    assert load_model(store, target.target_id).location == newer.location
    assert f"{saved.manifest.name} is not there" in caplog.text
    assert demote(store, saved.manifest.name) == saved.manifest.name


def _cut_member(folder):
    (folder / "member-0.txt").write_bytes((folder / "member-0.txt").read_bytes()[:1000])


def _cut_manifest_in_a_character(folder):
    text = (folder / "manifest.json").read_text().replace("znver5", "für später", 1)
    (folder / "manifest.json").write_bytes(text.encode()[: text.encode().index("ü".encode()) + 1])


def _naive_time(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "created_at": "2030-01-01T00:00:00"}))


def _renamed(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "name": "../.."}))


def _emptied(folder):
    (folder / "member-1.txt").write_bytes(b"")


def _without_a_member(folder):
    (folder / "member-1.txt").unlink()


BREAKS = (_cut_member, _cut_manifest_in_a_character, _naive_time, _renamed, _emptied, _without_a_member)


@pytest.mark.parametrize("broken", BREAKS, ids=lambda function: function.__name__.strip("_"))
@pytest.mark.parametrize("is_promoted", [True, False])
def test_a_broken_model_is_named_and_the_next_best_predicts(
    store, target, model, saved, broken, is_promoted, caplog, edit_manifest
):
    newer = save_model(store, model, trained_on=TrainedOn.snapshot(target, "8", ["t"], 1, 1), seed=0)
    if is_promoted:
        promote(store, newer.manifest)
    broken(Path(newer.location))

    loaded = load_model(store, target.target_id)

    assert loaded.location == saved.location
    assert newer.location in caplog.text
    assert saved_models(store)[0] == saved
    (problem,) = model_problems(store)
    assert newer.location in problem


def test_where_every_model_is_broken_the_bundled_one_predicts(store, target, saved):
    (Path(saved.location) / "member-0.txt").write_bytes(b"tree")

    assert load_model(store, target.target_id).is_bundled


def test_a_copied_folder_is_no_second_model(store, target, saved):
    shutil.copytree(saved.location, Path(saved.location).with_name("copy"))

    assert saved_models(store) == [saved]
    (problem,) = model_problems(store)
    assert "copy/manifest.json" in problem


def test_sound_and_outdated_models_are_no_problem(store, saved, edit_manifest):
    assert model_problems(store) == []
    edit_manifest(saved, feature_version="loop_nest-0")
    assert model_problems(store) == []
