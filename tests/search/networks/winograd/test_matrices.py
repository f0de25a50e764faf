import numpy as np
import pytest

from search.networks.winograd.matrices import FOUR, TWO, Filtering


@pytest.mark.parametrize("filtering", [TWO, FOUR])
def test_tiles_of_products_are_tiles_of_the_convolution(filtering: Filtering) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(filtering.tile, filtering.tile))
    weights = rng.normal(size=(3, 3, 1, 1))
    b, a = np.array(filtering.of_inputs), np.array(filtering.of_outputs)
    products = (b @ inputs @ b.T) * filtering.transformed(weights)[:, 0, 0].reshape(filtering.tile, filtering.tile)
    windows = np.lib.stride_tricks.sliding_window_view(inputs, (3, 3))
    wanted = np.einsum("hwij,ij->hw", windows, weights[:, :, 0, 0])
    np.testing.assert_allclose(a @ products @ a.T, wanted, rtol=1e-5, atol=1e-5)
    assert filtering.tile == filtering.outputs + 2


def test_larger_tiles_take_fewer_products_of_an_output() -> None:
    assert [filtering.points / filtering.outputs**2 for filtering in (TWO, FOUR)] == [4.0, 2.25]
