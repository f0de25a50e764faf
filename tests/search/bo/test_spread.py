import numpy as np

from search.bo.spread import unlike


def test_look_alikes_of_the_best_stand_aside_for_the_best_of_another_kind() -> None:
    features = np.array([[0.0], [0.01], [0.02], [1.0], [1.01], [2.0]])
    scores = np.array([1.0, 1.1, 1.2, 3.0, 2.0, 4.0])
    assert unlike(scores, features, 3).tolist() == [0, 4, 5]


def test_look_alikes_fill_what_others_leave_free() -> None:
    features = np.array([[0.0], [0.01], [5.0], [0.02]])
    scores = np.array([1.0, 3.0, 4.0, 2.0])
    assert unlike(scores, features, 3).tolist() == [0, 2, 3]
    assert unlike(scores, features, 9).tolist() == [0, 2, 3, 1]


def test_without_features_the_best_are_the_best() -> None:
    assert unlike(np.array([3.0, 1.0, 2.0]), np.zeros((3, 4)), 2).tolist() == [1, 2]
