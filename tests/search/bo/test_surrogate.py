import numpy as np
import pytest

from costmodels.kinds import of_kind
from costmodels.metrics import spearman
from costmodels.models import LightGBMModel, RooflineModel
from search.bo.gaussian_process import Standardisation
from search.bo.surrogate import PriorMean, Surrogate, prior_weight, surrogate_of


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_before_any_measurement_the_mean_is_the_prior(rng: np.random.Generator) -> None:
    features, prior = rng.normal(size=(20, 8)), rng.normal(size=20)
    posterior = Surrogate(has_prior=True).posterior(features, prior)
    assert np.allclose(posterior.mean, prior)
    assert (posterior.std > 0.1).all()


def test_measurements_pull_the_mean_and_shrink_the_deviation(rng: np.random.Generator) -> None:
    features = rng.normal(size=(40, 6))
    log_secs = features[:, 0] - 7.0
    surrogate = Surrogate(has_prior=False)
    before = surrogate.posterior(features, np.zeros(40))
    surrogate.observe(features[:30], np.zeros(30), np.exp(log_secs[:30]))
    after = surrogate.posterior(features, np.zeros(40))
    assert np.abs(after.mean[:30] - log_secs[:30]).max() < 0.2
    assert np.corrcoef(after.mean[30:], log_secs[30:])[0, 1] > 0.8
    assert after.std[:30].mean() < 0.5 * before.std[:30].mean()


def test_marginals_agree_with_the_joint_posterior(rng: np.random.Generator) -> None:
    features, prior = rng.normal(size=(30, 5)), rng.normal(size=30)
    surrogate = Surrogate(has_prior=True)
    surrogate.posterior(features, prior)
    surrogate.observe(features[:10], prior[:10], np.exp(prior[:10] - 6.0))
    mean, _ = surrogate.marginals(features, prior)
    assert np.allclose(mean, surrogate.posterior(features, prior).mean)


def test_same_measurements_same_posterior(rng: np.random.Generator) -> None:
    features, secs = rng.normal(size=(25, 5)), np.exp(rng.normal(size=25))
    means = []
    for _ in range(2):
        surrogate = Surrogate(has_prior=False)
        surrogate.observe(features, np.zeros(25), secs)
        means.append(surrogate.posterior(features, np.zeros(25)).mean)
    assert np.array_equal(means[0], means[1])


def test_a_prior_that_holds_keeps_its_weight(rng: np.random.Generator) -> None:
    prior = rng.normal(size=32)
    offset, weight = prior_weight(prior, prior - 5.0)
    assert weight == pytest.approx(1.0)
    assert offset == pytest.approx(-5.0)


def test_a_prior_that_misleads_loses_its_weight(rng: np.random.Generator) -> None:
    prior = rng.normal(size=32)
    _, weight = prior_weight(prior, -prior)
    assert weight == 0.0
    _, noise_weight = prior_weight(prior, rng.normal(size=32))
    assert noise_weight < 0.5


def test_one_measurement_does_not_move_the_weight() -> None:
    assert prior_weight(np.array([0.3]), np.array([-4.0]))[1] == pytest.approx(1.0)


def test_standardisation_ignores_constant_features(rng: np.random.Generator) -> None:
    features = rng.normal(size=(20, 4))
    widened = np.hstack([features, np.full((20, 3), 7.0)])
    distances = np.linalg.norm(
        Standardisation.of(features).apply(features[:1]) - Standardisation.of(features).apply(features)
    )
    wide = np.linalg.norm(Standardisation.of(widened).apply(widened[:1]) - Standardisation.of(widened).apply(widened))
    assert wide == pytest.approx(distances)


def test_a_prior_that_misleads_is_named_once_a_batch_is_measured():
    rng = np.random.default_rng(0)
    features, prior = rng.normal(size=(8, 3)), np.linspace(0, 2, 8)
    cold, good, bad, early = Surrogate(has_prior=False), *(Surrogate(has_prior=True) for _ in range(3))
    assert good.trust is None
    cold.observe(features, prior, np.exp(prior - 9))
    good.observe(features, prior, np.exp(prior - 9))
    bad.observe(features, prior, np.exp(-prior - 9))
    early.observe(features[:4], prior[:4], np.exp(-prior[:4] - 9))

    assert cold.trust is None
    assert good.trust.rank_correlation == pytest.approx(1)
    assert good.trust.weight == pytest.approx(1)
    assert not good.trust.is_misleading
    assert bad.trust.rank_correlation == pytest.approx(-1)
    assert bad.trust.weight == 0
    assert bad.trust.is_misleading
    assert not early.trust.is_misleading


def test_a_batch_predicted_to_be_alike_takes_no_trust_from_what_is_predicted_to_be_bad(
    rng: np.random.Generator,
) -> None:
    prior = rng.uniform(0.1, 0.2, size=8)
    log_secs = -7.0 - 2.0 * prior  # in the wrong order, as noise will have it
    mean = PriorMean.of(prior, log_secs)
    assert mean.fine < 0.5
    assert mean.coarse == pytest.approx(1.0)
    assert mean(np.array([3.0]))[0] > mean(prior).max() + 2.0
    _, weight = prior_weight(prior, log_secs)
    assert weight > 0.9


def test_a_prior_that_is_wrong_about_the_bad_is_found_out() -> None:
    prior = np.linspace(0.1, 3.0, 24)
    mean = PriorMean.of(prior, np.full(24, -7.0))
    assert mean.coarse < 0.2
    assert PriorMean.of(prior, prior - 7.0).coarse == pytest.approx(1.0)


@pytest.mark.parametrize("is_good", [True, False])
def test_what_has_learned_nothing_is_asked_when_the_prior_misleads(is_good: bool, rng: np.random.Generator) -> None:
    pool = max(of_kind("llvm").prior.pools, key=len)
    features = pool.features[rng.permutation(len(pool))[:200]]
    roofline = RooflineModel().predict(features).mean
    learned = np.random.default_rng(1).normal(scale=float(roofline.std()), size=200)
    log_secs = (learned if is_good else roofline) - 9.0
    found = []
    for surrogate in (surrogate_of(LightGBMModel(), "llvm"), surrogate_of(LightGBMModel(), "hexagon")):
        tried = np.argsort(learned)[::20]
        surrogate.observe(features[tried], learned[tried], np.exp(log_secs[tried]))
        assert surrogate.trust is not None
        assert surrogate.trust.is_misleading != is_good
        assert ("a roofline took its place" in str(surrogate.trust)) == (not found)
        found.append(spearman(-log_secs, surrogate.marginals(features, learned)[0]))
        assert np.allclose(
            surrogate.posterior(features[:5], learned[:5]).mean, surrogate.marginals(features[:5], learned[:5])[0]
        )
    guarded, unguarded = found
    assert guarded > 0.9
    assert unguarded > 0.9 if is_good else unguarded < guarded - 0.05, found
