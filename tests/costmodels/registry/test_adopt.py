"""Models that load, and models that do not, are tried in a process of their own."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from costmodels.models.lightgbm import LightGBMModel
from costmodels.registry import adopt as adopting
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


def edit_hashes(folder):
    """Makes the manifest match whatever the files are."""
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "files": files}))


def hang(attempts):
    """What a library does that is led in a circle."""
    for _ in attempts:
        while True:
            pass
    yield adopting.Verdict()


def crash(attempts):
    for _ in attempts:
        os.abort()
    yield adopting.Verdict()


@pytest.mark.parametrize(
    ("end", "secs", "cause"),
    [(hang, 3.0, "no answer within 3 s"), (crash, 100.0, r"ended the process \(signal 6\)")],
)
def test_a_model_that_ends_its_child_is_refused(store, elsewhere, monkeypatch, end, secs, cause):
    monkeypatch.setattr(adopting, "try_each", end)
    monkeypatch.setattr(adopting, "_TIMEOUT_SECS", secs)

    with pytest.raises(ModelError, match=cause):
        adopt(store, elsewhere)

    assert store.artifacts.names("models") == []


def test_links_and_pipes_are_refused(store, elsewhere, tmp_path):
    member = elsewhere / "member-0.txt"
    member.rename(tmp_path / "member")
    member.symlink_to(tmp_path / "member")
    with pytest.raises(ModelError, match=r"member-0\.txt is no plain file"):
        adopt(store, elsewhere)
    member.unlink()
    os.mkfifo(member)
    with pytest.raises(ModelError, match=r"member-0\.txt is no plain file"):
        adopt(store, elsewhere)
    with pytest.raises(ModelError, match="nowhere"):
        adopt(store, tmp_path / "nowhere")


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


@pytest.mark.parametrize("child", ["2147483000", "0", "-99"])
def test_a_model_whose_tree_leads_astray_is_refused(store, elsewhere, child):
    member = elsewhere / "member-0.txt"
    text = re.sub(r"left_child=-?\d+", f"left_child={child}", member.read_text(), count=1)
    sizes = [str(len(tree)) for tree in re.findall(r"Tree=\d+\n.*?\n\n\n", text, flags=re.DOTALL)]
    member.write_text(re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(sizes), text, count=1))
    edit_hashes(elsewhere)

    with pytest.raises(ModelError, match=r"member-0\.txt: .*references lead"):
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
