from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.reference import deviation
from tests.search.networks.importing.test_onnx_file import computed
from tests.search.networks.reference import evaluated

pytestmark = pytest.mark.tvm


def normed(is_biased: bool, is_read_twice: bool) -> Any:
    g = Graph("norm", 0)
    x = g.input("x", (1, 3, 8, 8))
    if is_biased:
        y = g.conv(x, 3, 4, 3)
    else:
        y = g.node("Conv", x, g.normal(4, 3, 3, 3, fan_in=27), kernel_shape=[3, 3], pads=[1] * 4)
    moments = [g.constant(g.rng.uniform(0.5, 1.5, 4)) for _ in range(4)]
    z = g.node("BatchNormalization", y, *moments, epsilon=1e-3)
    return g.model(g.node("Add", y, z) if is_read_twice else g.node("Relu", z))


@pytest.mark.parametrize("is_biased", [False, True])
@pytest.mark.parametrize("is_read_twice", [False, True])
def test_a_norm_becomes_part_of_its_convolution(
    save: Callable[..., Path], is_biased: bool, is_read_twice: bool
) -> None:
    path = save(normed(is_biased, is_read_twice))
    network = import_file(path)
    assert ("batch_norm" in network.mod.script()) == is_read_twice
    given = {"x": np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)}
    if not is_read_twice:
        assert deviation(computed(path, given), evaluated(network, given)[0]) < 1e-6
