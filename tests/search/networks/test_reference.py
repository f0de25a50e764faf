import numpy as np
import pytest

from search.networks.reference import deviation


def test_a_deviation_is_relative_to_the_largest() -> None:
    right = np.array([1.0, -4.0], np.float32)
    assert deviation(np.array([1.0, -4.4], np.float32), right) == pytest.approx(0.1)
    assert deviation(right, right) == 0.0


def test_other_shapes_and_nans_deviate_without_end() -> None:
    assert deviation(np.ones(2), np.ones(3)) == np.inf
    assert deviation(np.array([np.nan, 1.0]), np.ones(2)) == np.inf
    assert deviation(np.array([np.nan, 1.0]), np.array([np.nan, 1.0])) == 0.0


def test_whole_numbers_may_be_rounded_the_other_way() -> None:
    right = np.array([10, 100], np.uint8)
    assert deviation(np.array([11, 99], np.uint8), right) == 0.0
    assert deviation(np.array([12, 100], np.uint8), right) == pytest.approx(0.01)
