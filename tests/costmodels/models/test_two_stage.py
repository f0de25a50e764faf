import dataclasses

import numpy as np
import pytest

from costmodels import metrics
from costmodels.features import FAMILIES
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.two_stage import TwoStageModel

WIDTH = len(FAMILIES["machine_code"].names())


def small():
    first, second = (LightGBMModel(num_trees=60, learning_rate=0.2, members=2, judges=2) for _ in range(2))
    return TwoStageModel(first, second)


@pytest.fixture
def dataset(make_made_up_dataset):
    """Half of the cost shows in the machine code alone; every third trial was not compiled."""
    made = make_made_up_dataset()
    hidden = np.random.default_rng(1).uniform(0, 2, len(made))
    scores = np.exp(-0.3 * made.log_costs - hidden)
    scores /= np.asarray([scores[made.groups == group].max() for group in range(6)])[made.groups]
    code = np.tile(hidden[:, None], WIDTH)
    code[::3] = np.nan
    return dataclasses.replace(made, scores=scores, code=code)


def order(dataset, prediction, rows):
    return metrics.spearman(dataset.scores[rows], prediction.mean[rows])


def test_what_was_compiled_is_ranked_better_than_by_its_loops(dataset):
    model = small()
    held_out = model.fit(dataset, seed=0)
    blind = small()
    blind_held_out = blind.fit(dataclasses.replace(dataset, code=None), seed=0)

    rows = dataset.is_compiled
    assert rows.sum() == 240
    assert order(dataset, held_out, rows) > order(dataset, blind_held_out, rows) + 0.2
    assert (held_out.mean[~rows] == blind_held_out.mean[~rows]).all()


def test_what_was_not_compiled_is_predicted_by_loops_alone(dataset):
    model = small()
    model.fit(dataset, seed=0)
    first = model.predict(dataset.features)

    second = model.predict_compiled(dataset.features, dataset.code)

    rows = dataset.is_compiled
    assert (second.mean[~rows] == first.mean[~rows]).all()
    assert (second.mean[rows] != first.mean[rows]).any()
    assert (model.predict_compiled(dataset.features, None).mean == first.mean).all()
    assert (model.predict_compiled(dataset.features, np.full_like(dataset.code, np.nan)).mean == first.mean).all()


def test_the_first_model_is_a_lightgbm_model_of_all_trials(dataset):
    model, alone = small(), LightGBMModel(num_trees=60, learning_rate=0.2, members=2, judges=2)
    model.fit(dataset, seed=3)
    alone.fit(dataset, seed=3)

    assert (model.parts["lightgbm"].predict(dataset.features).mean == alone.predict(dataset.features).mean).all()


def test_a_saved_model_predicts_the_same(dataset):
    model = small()
    model.fit(dataset, seed=0)

    again = TwoStageModel.load(model.save())

    expected = model.predict_compiled(dataset.features, dataset.code)
    found = again.predict_compiled(dataset.features, dataset.code)
    assert (expected.mean == found.mean).all()
    assert (expected.std == found.std).all()
    assert again.hyper_parameters == model.hyper_parameters


def test_without_machine_code_there_is_no_second_model(dataset):
    model = small()
    model.fit(dataclasses.replace(dataset, code=None), seed=0)

    again = TwoStageModel.load(model.save())

    assert {name.split("/")[0] for name in model.save()} == {"first"}
    first = model.predict(dataset.features)
    for one in (model, again):
        assert (one.predict_compiled(dataset.features, dataset.code).mean == first.mean).all()


def test_what_was_learned_of_other_features_of_code_is_not_asked(dataset):
    model = small()
    model.fit(dataset, seed=0)
    files = model.save()
    version = FAMILIES["machine_code"].FEATURE_VERSION
    assert {name.split("/")[0] for name in files} == {"first", version}

    again = TwoStageModel.load({name.replace(version, "machine_code-0"): text for name, text in files.items()})

    expected = model.predict(dataset.features).mean
    assert (again.predict_compiled(dataset.features, dataset.code).mean == expected).all()


def test_both_models_learn_more_and_the_original_does_not(dataset):
    model = small()
    model.fit(dataset, seed=0)
    before = model.predict_compiled(dataset.features, dataset.code).mean

    turned = dataclasses.replace(dataset, scores=dataset.scores.min() / dataset.scores)
    other = model.updated(turned, seed=1)

    assert (model.predict_compiled(dataset.features, dataset.code).mean == before).all()
    assert (other.predict(dataset.features).mean != model.predict(dataset.features).mean).any()
    assert (other.predict_compiled(dataset.features, dataset.code).mean != before)[dataset.is_compiled].any()
