import numpy as np
import pytest

from costmodels import metrics
from costmodels.features import loop_nest
from costmodels.kinds import of_kind
from costmodels.models import FlopModel, RooflineModel
from tunedb.errors import ModelError


@pytest.fixture(scope="module")
def pools():
    return [pool for pool in of_kind("llvm").prior.pools if len(pool) >= 30]


def mean_over(pools, metric, model):
    return np.nanmean([metric(pool.scores, model.costs(pool.features)) for pool in pools])


def test_it_ranks_recorded_trials_although_it_has_learned_nothing(pools):
    model = RooflineModel()
    assert mean_over(pools, metrics.spearman, model) > 0.6
    assert mean_over(pools, metrics.pairwise_accuracy, model) > 0.7
    assert mean_over(pools, lambda scores, costs: metrics.top_k(scores, costs, 1), model) > 0.6
    assert mean_over(pools, metrics.spearman, model) > mean_over(pools, metrics.spearman, FlopModel()) + 0.3


def test_its_error_is_about_what_searches_take_it_for(pools):
    errors = []
    for pool in pools:
        near = pool.scores > 0.3  # what a search looks at
        error = -np.log(pool.scores) - RooflineModel().costs(pool.features)
        errors.append((error[near] - error[near].mean()).std() if near.sum() > 5 else np.nan)
    assert np.nanmean(errors) == pytest.approx(RooflineModel.error_std, abs=0.3)


def test_scattered_accesses_and_spilled_sums_cost(pools):
    names = loop_nest.names()
    row = max(pools, key=len).features[:1]

    def changed(name, value):
        other = row.copy()
        other[0, names.index(name)] = value
        return RooflineModel().costs(other)[0]

    assert changed("main_strided_work", 30.0) > changed("main_strided_work", 0.0)
    assert changed("all_cache1_traffic", 40.0) > changed("all_cache1_traffic", 10.0)
    assert changed("main_is_uneven_vector", 1.0) > changed("main_is_uneven_vector", 0.0)


def test_refuses_other_features():
    with pytest.raises(ModelError, match="features"):
        RooflineModel().costs(np.ones((2, 3)))
