import numpy as np

from search.networks.integers.weights import Quantized, integers_of

RNG = np.random.default_rng(0)
INTEGERS = RNG.integers(-127, 128, (16, 4, 3, 2)).astype(np.int8)
SCALE = RNG.uniform(0.01, 0.02, (16, 1, 1, 1)).astype(np.float32)


def test_integers_are_found_again_in_another_layout() -> None:
    known = Quantized(INTEGERS, SCALE)
    found = integers_of(known.floats.transpose(2, 3, 1, 0), [known])
    assert found is not None
    np.testing.assert_array_equal(found[0], INTEGERS.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found[1], SCALE.reshape(-1))


def test_one_scale_is_that_of_every_filter() -> None:
    known = Quantized(INTEGERS, SCALE[:1])
    found = integers_of(known.floats.transpose(2, 3, 1, 0), [known])
    assert found is not None
    np.testing.assert_array_equal(found[1], np.full(16, SCALE[0, 0, 0, 0]))


def test_other_weights_are_not_taken_for_them() -> None:
    known = Quantized(INTEGERS, SCALE)
    other = known.floats.transpose(2, 3, 1, 0).copy()
    other[0, 0, 0, 0] += 0.001
    assert integers_of(other, [known]) is None
    assert integers_of(other[:1], [known]) is None


def test_scales_along_another_axis_than_the_filters_are_none() -> None:
    known = Quantized(INTEGERS, SCALE[:4].reshape(1, 4, 1, 1))
    assert integers_of(known.floats.transpose(2, 3, 1, 0), [known]) is None
