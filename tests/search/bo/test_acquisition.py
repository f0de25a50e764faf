import numpy as np

from search.bo.acquisition import expected_improvement, lower_confidence_bound, select_batch


def test_lower_confidence_bound_rewards_uncertainty() -> None:
    bound = lower_confidence_bound(np.array([1.0, 1.0]), np.array([0.1, 0.5]), beta=2.0)
    assert bound.tolist() == [0.8, 0.0]


def test_batch_takes_the_best_first_and_no_candidate_twice() -> None:
    mean = np.array([3.0, 1.0, 2.0, 4.0])
    picks = select_batch(mean, np.eye(4) * 1e-6, size=4, beta=0.5, noise=1e-3)
    assert picks == [1, 2, 0, 3]


def test_batch_spreads_over_look_alikes() -> None:
    # Candidates 0 and 1 are the same but for a hair; 2 is a little slower and unlike them.
    covariance = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])
    mean = np.array([0.0, 0.01, 0.1])
    assert select_batch(mean, covariance, size=2, beta=1.0, noise=1e-3) == [0, 2]


def test_batch_of_more_than_there_are_takes_all() -> None:
    assert sorted(select_batch(np.zeros(3), np.eye(3), size=9, beta=1.0, noise=1e-3)) == [0, 1, 2]


def test_covariance_is_not_changed() -> None:
    covariance = np.eye(3)
    select_batch(np.zeros(3), covariance, size=3, beta=1.0, noise=1e-3)
    assert np.array_equal(covariance, np.eye(3))


def test_what_is_being_measured_is_not_picked_and_its_look_alikes_are_less_uncertain() -> None:
    # 0 and 1 are the same but for a hair; 2 is a little slower and unlike them.
    covariance = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])
    mean = np.array([0.0, 0.01, 0.1])
    assert select_batch(mean, covariance, size=1, beta=1.0, noise=1e-3) == [0]
    assert select_batch(mean, covariance, size=2, beta=1.0, noise=1e-3, observed=[0]) == [2, 1]
    # As if it had been picked first: the rest of a batch is the same.
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 12))
    covariance, mean = root @ root.T, rng.normal(size=12)
    whole = select_batch(mean, covariance, size=6, beta=1.0, noise=0.01)
    assert select_batch(mean, covariance, size=4, beta=1.0, noise=0.01, observed=whole[:2]) == whole[2:]


def test_nothing_is_left_when_all_is_being_measured() -> None:
    assert select_batch(np.zeros(3), np.eye(3), size=2, beta=1.0, noise=1e-3, observed=[0, 1, 2]) == []


def test_expected_improvement_is_what_sampling_gives() -> None:
    mean, std, best = np.array([-1.0, 0.0, 0.5]), np.array([0.1, 0.3, 0.0]), -0.2
    drawn = np.random.default_rng(0).normal(mean, std, size=(200_000, 3))
    sampled = np.maximum(best - drawn, 0.0).mean(axis=0)
    np.testing.assert_allclose(expected_improvement(mean, std, best), sampled, atol=2e-3)
