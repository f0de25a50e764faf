"""The conformance suite of all families of cost models."""

from __future__ import annotations

import numpy as np
import pytest

from costmodels import features, metrics
from costmodels.dataset import Dataset
from costmodels.models import DEFAULT, KINDS, make, makers
from tunedb.errors import ModelError, UsageError

LEARNS = ("two-stage", "lightgbm", "lambdarank", "xgboost", "gaussian-process", "ridge")
WIDTH = len(features.loop_nest.names())


def made_dataset(seed: int = 0) -> Dataset:
    """Six workloads whose scores depend on two features in the same way."""
    rng = np.random.default_rng(seed)
    features = np.zeros((360, WIDTH))
    features[:, :12] = rng.uniform(0, 4, size=(360, 12))
    costs = 0.4 * features[:, 3] + 0.2 * features[:, 8] + rng.normal(0, 0.02, 360)
    groups = np.repeat(np.arange(6), 60)
    scores = np.exp(-costs)
    for group in range(6):
        scores[groups == group] /= scores[groups == group].max()
    return Dataset(features, scores, groups, tuple("abcdef"), tuple(map(str, range(360))))


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in KINDS
    assert makers().keys() == KINDS.keys()
    with pytest.raises(UsageError, match="no model 'perceptron'"):
        make("perceptron")


def test_predictions_have_a_mean_and_a_deviation(kind: str) -> None:
    data = made_dataset()
    model = make(kind)
    held_out = model.fit(data, seed=1)
    predicted = model.predict(data.features[:10])
    for prediction, number in ((held_out, 360), (predicted, 10)):
        assert prediction.mean.shape == prediction.std.shape == (number,)
        assert np.isfinite(prediction.mean).all()
        assert (prediction.std > 0).all()
    assert model.predict(np.empty((0, WIDTH))).mean.shape == (0,)


# The roofline goes by what features mean, which here is nothing: see models/test_roofline.py.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "roofline"])
def test_learning_beats_chance_on_workloads_unseen(kind: str) -> None:
    data = made_dataset()
    held_out = make(kind).fit(data, seed=1)
    pairwise = metrics.mean_over_groups(metrics.pairwise_accuracy, data.scores, held_out.mean, data.groups)
    assert pairwise > 0.8 if kind in LEARNS else pairwise < 0.7


@pytest.mark.parametrize("kind", LEARNS)
def test_an_update_learns_what_is_new(kind: str) -> None:
    old = made_dataset()
    costs = 0.4 * old.features[:, 5] + 0.2 * old.features[:, 9]  # other features matter on the other machine
    scores = np.exp(-costs)
    new = Dataset(old.features, scores / scores.max(), np.zeros(360, dtype=np.int64), ("x",), old.trial_ids)
    shown, hidden = new.rows(np.arange(360) < 240), new.rows(np.arange(360) >= 240)
    model = make(kind)
    model.fit(old, seed=1)
    before = metrics.pairwise_accuracy(hidden.scores, model.predict(hidden.features).mean)
    learned = model.updated(shown, seed=1)
    after = metrics.pairwise_accuracy(hidden.scores, learned.predict(hidden.features).mean)
    assert after > before + 0.05
    assert metrics.pairwise_accuracy(hidden.scores, model.predict(hidden.features).mean) == before


def test_the_same_seed_gives_the_same_model(kind: str) -> None:
    data, other = made_dataset(), made_dataset(7)
    first, second = (make(kind) for _ in range(2))
    first.fit(data, seed=3)
    second.fit(data, seed=3)
    np.testing.assert_array_equal(first.predict(other.features).mean, second.predict(other.features).mean)


def test_held_out_predictions_need_no_fit_and_are_the_same(kind: str) -> None:
    data = made_dataset()
    model = make(kind)
    alone = model.held_out(data, seed=1)
    fitted = model.fit(data, seed=1)
    np.testing.assert_array_equal(alone.mean, fitted.mean)
    np.testing.assert_array_equal(alone.std, fitted.std)
    with pytest.raises(ValueError, match="at least two"):
        model.held_out(data.rows(np.arange(360) == 0), seed=1)


def test_hyper_parameters_are_given_by_name(kind: str) -> None:
    space = KINDS[kind].search_space(made_dataset())
    given = {name: values.at(0.75) for name, values in space.items()}
    made = make(kind, given).hyper_parameters
    assert {name: made[name] for name in given} == given
    assert set(space) <= set(make(kind).hyper_parameters)
    with pytest.raises(UsageError, match="hyper-parameter"):
        make(kind, {"first_phase_of_the_moon": 1})


def test_a_saved_model_predicts_the_same(kind: str) -> None:
    data = made_dataset()
    model = make(kind)
    model.fit(data, seed=1)
    again = KINDS[kind].load(model.save())
    expected, found = model.predict(data.features[:50]), again.predict(data.features[:50])
    np.testing.assert_array_equal(expected.mean, found.mean)
    np.testing.assert_array_equal(expected.std, found.std)
    assert again.hyper_parameters == model.hyper_parameters


def test_files_that_are_missing_are_a_model_error(kind: str) -> None:
    with pytest.raises(ModelError):
        KINDS[kind].load({})


@pytest.mark.parametrize("kind", LEARNS)
def test_features_of_another_width_are_refused(kind: str) -> None:
    model = make(kind)
    with pytest.raises(ModelError, match="not fitted"):
        model.predict(np.zeros((1, WIDTH)))
    model.fit(made_dataset(), seed=1)
    with pytest.raises(ModelError, match="wants features"):
        model.predict(np.zeros((1, 3)))


def test_one_trial_is_too_few(kind: str) -> None:
    data = made_dataset()
    with pytest.raises(ValueError, match="at least two"):
        make(kind).fit(data.rows(np.arange(360) == 0), seed=1)
