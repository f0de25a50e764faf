import numpy as np
import pytest

from costmodels import metrics
from costmodels.compute import Compute
from costmodels.features import loop_nest
from costmodels.models.booster import Booster
from costmodels.models.ensemble import log_cost
from costmodels.models.lightgbm import LightGBMModel
from tunedb.errors import ModelError


def small():
    # Made-up features mean nothing to the roofline, which the trees must unlearn first.
    return LightGBMModel(num_trees=80, learning_rate=0.2, members=3)


def test_learns_an_order_that_holds_on_unseen_workloads(make_made_up_dataset):
    # A tree sees a third of the features, of which three matter: many small steps.
    model = LightGBMModel(num_trees=200, learning_rate=0.05, members=3)
    held_out = model.fit(dataset := make_made_up_dataset(size=120), seed=0)

    assert metrics.summary(dataset.scores, held_out.mean, dataset.groups)["spearman"] > 0.8


def test_does_not_learn_an_order_that_is_not_there(make_made_up_dataset):
    dataset = make_made_up_dataset()
    shuffled = np.random.default_rng(1).permutation(dataset.scores)
    dataset = type(dataset)(dataset.features, shuffled, dataset.groups, dataset.workload_ids, dataset.trial_ids)

    held_out = small().fit(dataset, seed=0)

    assert abs(metrics.summary(shuffled, held_out.mean, dataset.groups)["spearman"]) < 0.2


def test_predictions_are_in_nats_and_their_deviations_cover_the_error(make_made_up_dataset):
    model = small()
    model.fit(make_made_up_dataset(), seed=0)
    unseen = make_made_up_dataset(seed=7)

    predicted = model.predict(unseen.features)

    errors = unseen.log_costs - predicted.mean
    errors -= np.median(errors)
    assert np.polyfit(predicted.mean, unseen.log_costs, 1)[0] == pytest.approx(1, abs=0.5)
    assert (predicted.std > 0).all()
    assert 0.8 < np.mean(np.abs(errors) < 1.64 * predicted.std) < 0.99


def test_the_conversion_tolog_cost_is_monotone():
    costs = log_cost(np.linspace(-0.5, 1.5, 201))

    assert (np.diff(costs) <= 0).all()
    assert np.isfinite(costs).all()
    assert log_cost(np.array([1.0]))[0] == 0
    assert log_cost(np.array([np.sqrt(0.5)]))[0] == pytest.approx(np.log(2))


def test_the_same_seed_gives_the_same_model_whatever_the_workers(make_made_up_dataset):
    dataset = make_made_up_dataset()
    one, two, other = (LightGBMModel(num_trees=20, compute=Compute(n)) for n in (1, 2, 1))
    one.fit(dataset, seed=4), two.fit(dataset, seed=4), other.fit(dataset, seed=5)

    first = one.predict(dataset.features)
    assert (first.mean == two.predict(dataset.features).mean).all()
    assert (first.std == two.predict(dataset.features).std).all()
    assert (first.mean != other.predict(dataset.features).mean).any()


def test_a_saved_model_predicts_bit_for_bit_the_same(make_made_up_dataset):
    dataset = make_made_up_dataset()
    model = small()
    model.fit(dataset, seed=0)

    loaded = LightGBMModel.load(model.save())

    assert (loaded.predict(dataset.features).mean == model.predict(dataset.features).mean).all()
    assert (loaded.predict(dataset.features).std == model.predict(dataset.features).std).all()
    assert loaded.hyper_parameters == model.hyper_parameters


def test_one_workload_is_enough_and_one_row_is_not(make_made_up_dataset):
    dataset = make_made_up_dataset(groups=1, size=12)

    assert np.isfinite(small().fit(dataset, seed=0).mean).all()
    with pytest.raises(ValueError, match="at least two"):
        small().fit(dataset.rows(np.arange(12) < 1), seed=0)


def test_refuses_what_it_cannot_answer(make_made_up_dataset):
    model = small()
    with pytest.raises(ModelError, match="not fitted"):
        model.predict(np.ones((1, len(loop_nest.names()))))
    model.fit(make_made_up_dataset(groups=2, size=30), seed=0)
    with pytest.raises(ModelError, match=str(len(loop_nest.names()))):
        model.predict(np.ones((1, 3)))
    assert len(model.predict(np.empty((0, len(loop_nest.names())))).mean) == 0
    with pytest.raises(ModelError, match="is missing"):
        LightGBMModel.load({})


@pytest.mark.parametrize("few", [{"members": 1}, {"judges": 1}, {"judges": 0}])
def test_one_fold_or_member_is_refused(few):
    with pytest.raises(ValueError, match="at least two members and two fold models"):
        LightGBMModel(**few)


def test_folds_are_as_many_as_asked_and_members_too(make_made_up_dataset):
    dataset = make_made_up_dataset(groups=6)
    two, three = (LightGBMModel(num_trees=20, members=4, judges=n) for n in (2, 3))

    assert not np.array_equal(two.fit(dataset, seed=0).mean, three.fit(dataset, seed=0).mean)
    files = two.save()
    assert sum(name.endswith("-absolute.txt") for name in files) == 4
    assert LightGBMModel.load(files).hyper_parameters == two.hyper_parameters


def test_a_loaded_model_learns_on_and_is_written_as_it_was(make_made_up_dataset):
    dataset, more = make_made_up_dataset(), make_made_up_dataset(seed=3)
    model = small()
    model.fit(dataset, seed=0)
    loaded = LightGBMModel.load(model.save())
    assert loaded.save() == model.save()

    first, second = model.updated(more, seed=1), loaded.updated(more, seed=1)

    assert (first.predict(more.features).mean == second.predict(more.features).mean).all()
    assert loaded.save() == model.save()


def test_what_is_no_tree_is_refused():
    with pytest.raises(ValueError, match="odel"):
        Booster(b"no model")
