"""A saved model, and stores of all sorts to keep one in."""

import json
from pathlib import Path

import pytest

from costmodels.models.lightgbm import LightGBMModel
from costmodels.registry.manifest import TrainedOn
from costmodels.registry.saved import save_model
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


@pytest.fixture
def edit_manifest():
    """Changes values in a saved model's manifest."""

    def edit(saved, **changes):
        path = Path(saved.location) / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


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
