import numpy as np

from search.bo.feasibility import log_feasibility
from search.bo.screening import Screen, relevance


def test_guesses_follow_the_worth_of_what_is_near() -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.integers(0, 6, size=(120, 6)).astype(float), rng.integers(0, 6, size=(60, 6)).astype(float)

    def worth(x: np.ndarray) -> np.ndarray:
        return (x[:, 0] - 3) ** 2 + 0.5 * np.abs(x[:, 1] - x[:, 2])

    screen = Screen(known, worth(known))
    assert screen.is_ready
    assert np.corrcoef(screen.guess(asked), worth(asked))[0, 1] > 0.9


def test_what_is_unlike_all_that_is_known_may_be_better_than_it_seems() -> None:
    known = np.arange(20.0)[:, None] * [1.0, 0.0]
    near, far = Screen(known, np.full(20, 2.0) + 0.1 * (np.arange(20) % 2)).guess(np.array([[9.5, 0.0], [90.0, 0.0]]))
    assert far < near < 2.1


def test_a_decision_that_makes_no_difference_weighs_little() -> None:
    rng = np.random.default_rng(0)
    known = rng.integers(0, 5, size=(80, 3)).astype(float)
    told = relevance(known, 2.0 * known[:, 1] + 0.2 * known[:, 2])
    assert told[1] == 1.0
    assert told[0] < 0.1
    assert relevance(known, np.full(80, 3.0)).tolist() == [1.0, 1.0, 1.0]


def test_what_differs_in_nothing_that_matters_promises_nothing_new() -> None:
    rng = np.random.default_rng(0)
    known = np.column_stack([rng.integers(0, 5, size=80), rng.integers(0, 5, size=80)]).astype(float)
    best = known[np.argmin(known[:, 0])]
    screen = Screen(known, known[:, 0])
    idle, step = screen.guess(best + np.array([[0.0, 7.0], [-2.0, 0.0]]))
    assert step < idle


def test_too_little_is_no_ground_for_a_guess() -> None:
    assert not Screen(np.zeros((3, 2)), np.zeros(3)).is_ready


def test_constant_decisions_do_no_harm() -> None:
    screen = Screen(np.ones((20, 3)), np.arange(20.0))
    assert np.isfinite(screen.guess(np.ones((4, 3)))).all()


def test_where_candidates_failed_they_are_not_expected_to_work() -> None:
    tried = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0]])
    worked = np.array([False, False, True])
    near, far, good = log_feasibility(np.array([[0.0, 0.1], [9.0, 9.0], [3.0, 3.0]]), tried, worked)
    assert near < -0.8
    assert far == 0.0
    assert good > -0.01
    assert not log_feasibility(np.zeros((2, 2)), tried, np.array([True, True, True])).any()


def test_a_design_space_that_leaves_nothing_open_is_no_error() -> None:
    worth = np.random.default_rng(0).normal(size=36)
    guess = Screen(np.empty((36, 0)), worth).guess(np.empty((2, 0)))
    assert np.isfinite(guess).all()
    assert guess[0] == guess[1]
