from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.layout import lower_best
from search.networks.lowering import Layout, Lowered, layouts_of, lower
from search.networks.network import Network
from tunedb.metaschedule.replay import target_to_tvm, workload_from_module
from tunedb.records import Target

pytestmark = pytest.mark.tvm


def computed(lowered: Lowered, *inputs: Any) -> Any:
    import tvm

    executable = tvm.compile(lowered.mod, target=target_to_tvm(lowered.target))
    return tvm.relax.VirtualMachine(executable, tvm.cpu())["main"](*map(tvm.runtime.tensor, inputs)).numpy()


def test_both_layouts_compute_the_same(images: Network, target: Target) -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 12, 12)).astype(np.float32)
    assert layouts_of(images) == (Layout.CHANNELS_FIRST, Layout.CHANNELS_LAST)
    one, other = (computed(lower(images, target, layout), x) for layout in layouts_of(images))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert np.abs(one).max() > 0


def test_weights_may_be_packed_and_that_is_another_workload(images: Network, target: Target) -> None:
    names = [workload_from_module(task.mod)[0].name for task in lower(images, target, Layout.CHANNELS_LAST).tasks]
    assert [name for name in names if name.startswith("conv2d") and not name.endswith("packed")] == []


def test_a_network_without_convolutions_has_one_layout(save: Callable[..., Path], target: Target) -> None:
    g = Graph("dense", 0)
    network = import_file(save(g.model(g.dense(g.input("x", (1, 8)), 8, 4))))
    assert layouts_of(network) == (Layout.CHANNELS_FIRST,)
    lowered = lower_best(network, target)
    assert (lowered.layout, lowered.reason) == (Layout.CHANNELS_FIRST, "")


def test_channels_are_last_where_few_transposes_are_needed(images: Network, target: Target) -> None:
    lowered = lower_best(images, target)
    assert lowered.layout is Layout.CHANNELS_LAST
    assert "NCHW" in lowered.reason


def test_a_batch_norm_is_folded(save: Callable[..., Path], target: Target) -> None:
    g = Graph("norm", 0)
    x = g.input("x", (1, 3, 8, 8))
    y = g.conv(x, 3, 4, 3)
    moments = [g.constant(g.rng.uniform(0.5, 1.5, 4)) for _ in range(4)]
    network = import_file(save(g.model(g.node("BatchNormalization", y, *moments))))
    lowered = lower(network, target, Layout.CHANNELS_FIRST)
    assert len(lowered.tasks) == 1
    given = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    from search.networks.reference import deviation
    from tests.search.networks.reference import evaluated

    assert deviation(computed(lowered, given), evaluated(network, {"x": given})[0]) < 1e-5


@pytest.mark.parametrize("kind", ["Exp", "Erf", "Tanh", "Sigmoid", "Softmax"])
def test_exponentials_are_polynomials_and_right(save: Callable[..., Path], target: Target, kind: str) -> None:
    g = Graph(kind, 0)
    network = import_file(save(g.model(g.node(kind, g.input("x", (4, 64))))))
    lowered = lower(network, target, Layout.CHANNELS_FIRST)
    text = lowered.mod.script()
    assert f"T.{kind.lower()}(" not in text
    assert "T.exp(" not in text
    given = np.random.default_rng(0).uniform(-8, 8, (4, 64)).astype(np.float32)
    from search.networks.reference import deviation
    from tests.search.networks.reference import evaluated

    assert deviation(computed(lowered, given), evaluated(network, {"x": given})[0]) < 3e-6
