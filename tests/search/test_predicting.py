"""What is predicted without measuring: by loops, then by the machine code of the few that promise most."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from costmodels.dataset import Dataset
from costmodels.features import DEFAULT, FAMILIES
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.second_look import SecondLookModel
from search.history import History
from search.predicting import _second_look, predict_best
from search.proposals import Believed, Pool
from tunedb.errors import MeasurementError
from tunedb.records import Target

WIDTH = len(FAMILIES["machine_code"].names())


@pytest.fixture(scope="module")
def model() -> SecondLookModel:
    """Knows that the latency is the machine code's first number, and that loops say nothing."""
    rng = np.random.default_rng(0)
    hidden = rng.uniform(0, 2, 240)
    features = rng.normal(size=(240, len(DEFAULT.names())))
    groups = np.repeat(np.arange(4), 60)
    names = tuple(f"w{group}" for group in range(4))
    code = np.tile(hidden[:, None], WIDTH)
    dataset = Dataset(features, np.exp(-hidden), groups, names, tuple(map(str, range(240))), code=code)
    first, second = (LightGBMModel(num_trees=60, learning_rate=0.2, members=2, judges=2) for _ in range(2))
    made = SecondLookModel(first, second)
    made.fit(dataset, seed=0)
    return made


def believed(model: SecondLookModel, number: int, *, measured: int | None = None) -> Believed:
    features = np.random.default_rng(1).normal(size=(number, len(DEFAULT.names())))
    prior = model.predict(features).mean
    candidates: tuple[Any, ...] = tuple(range(number))
    return Believed(Pool(candidates, features, prior), prior - 9.0, np.arange(number) == measured)


def test_what_the_code_says_decides_and_what_does_not_compile_is_out(model: SecondLookModel) -> None:
    asked = believed(model, 8)
    hidden = np.array([1.1, 0.9, 1.8, 0.1, 1.2, 1.4, 1.6, 0.3])
    code = {place: [value] * WIDTH for place, value in enumerate(hidden) if place != 3}
    means = _second_look(asked, code, model)
    assert np.isinf(means[3])
    assert int(np.argmin(means)) == 7
    assert means[2] > means[1]
    unknown = {place: [float("nan")] * WIDTH for place in range(8)}  # another kind of processor
    assert _second_look(asked, unknown, model) == pytest.approx(asked.mean)
    assert _second_look(asked, unknown, None) == pytest.approx(asked.mean)


def test_what_was_measured_is_believed_and_not_its_code(model: SecondLookModel) -> None:
    asked = believed(model, 4, measured=2)
    means = _second_look(asked, {place: [0.01 if place == 2 else 1.9] * WIDTH for place in range(4)}, model)
    assert means[2] == asked.mean[2]
    assert (means[[0, 1, 3]] > asked.mean[[0, 1, 3]]).all()


@pytest.mark.tvm
def test_of_those_that_promise_most_one_is_taken_by_its_code(
    context: Any, target: Target, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    from costmodels.shipped import shipped_model_folder
    from search.measure.pools import PersistentBuilder

    folder = shipped_model_folder("llvm")
    assert folder is not None
    builder = PersistentBuilder(target, max_workers=1)
    caplog.set_level("INFO", logger="search.predicting")
    try:
        found = predict_best(context.clone(), SecondLookModel.load(folder), History(), rng, builder)
        again = predict_best(
            context.clone(), SecondLookModel.load(folder), History(), np.random.default_rng(0), builder
        )
        builder.timeout_secs = 0.001
        with pytest.raises(MeasurementError, match="too long to compile"):
            predict_best(context.clone(), None, History(), rng, builder)
    finally:
        builder.close()
    assert found == again
    counts = [int(number) for number in re.findall(r"of (\d+) that compile", caplog.text)]
    assert counts[0] == counts[1] >= 8
