from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from benchmarks.graph import Graph
from search.networks.importing import import_file
from tests.search.networks.importing.test_onnx_file import computed
from tests.search.networks.reference import by_onnx_runtime
from tunedb.records import Target

pytestmark = pytest.mark.tvm


def quantised(kind: str) -> Any:
    """A network of one quantised operator, with its quantised output as it is."""
    g = Graph(kind, 0)
    scale, zero = g.constant(0.05), g.constant(128, np.uint8)
    if kind == "QLinearConv":
        x = g.input("x", (1, 3, 6, 6), TensorProto.UINT8)
        w = g.constant(g.rng.integers(-127, 128, (4, 3, 3, 3)), np.int8)
        scales, zeros = g.constant(g.rng.uniform(0.01, 0.02, 4)), g.constant(np.zeros(4), np.int8)
        bias = g.constant(g.rng.integers(-500, 500, 4), np.int32)
        y = g.node(kind, x, scale, zero, w, scales, zeros, scale, zero, bias, pads=[1, 1, 1, 1])
    else:
        x = g.input("x", (2, 8), TensorProto.UINT8)
        w = g.constant(g.rng.integers(0, 256, (8, 5)), np.uint8)
        y = g.node(kind, x, scale, zero, w, g.constant(0.001), zero, scale, zero)
    out = helper.make_tensor_value_info(y, TensorProto.UINT8, None)
    graph = helper.make_graph(g.nodes, kind, g.inputs, [out], g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("kind", ["QLinearConv", "QLinearMatMul"])
def test_a_quantised_operator_is_right_within_one_step(save: Callable[..., Path], kind: str) -> None:
    path = save(quantised(kind))
    network = import_file(path)
    (spec,) = network.inputs
    given = {"x": np.random.default_rng(0).integers(0, 256, spec.shape).astype(np.uint8)}
    right = by_onnx_runtime(str(path), given).astype(int)
    found = computed(path, given).astype(int)
    assert np.abs(found - right).max() <= 1
    assert len(np.unique(right)) > 8


def pairs(g: Graph, x: str, channels: int) -> str:
    """A convolution between quantizers, as they write it: weights with a scale for each filter."""
    scale, zero = g.constant(0.05), g.constant(3, np.int8)
    x = g.node("DequantizeLinear", g.node("QuantizeLinear", x, scale, zero), scale, zero)
    weights = g.constant(g.rng.integers(-127, 128, (channels, channels, 3, 3)), np.int8)
    scales, zeros = g.constant(g.rng.uniform(0.001, 0.002, channels)), g.constant(np.zeros(channels), np.int8)
    w = g.node("DequantizeLinear", weights, scales, zeros, axis=0)
    return g.node("Relu", g.node("Conv", x, w, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))


def test_quantizers_carry_a_layout_on_and_what_rounds_stands_apart(save: Callable[..., Path], target: Target) -> None:
    from search.networks.lowering import Layout, lower

    g = Graph("pairs", 0)
    path = save(g.model(pairs(g, pairs(g, g.input("x", (1, 32, 8, 8)), 32), 32)))
    lowered = lower(import_file(path), target, Layout.CHANNELS_LAST)
    names = [task.name for task in lowered.tasks]
    assert sum("transpose" in name for name in names) == 2, "of the network's input and output"
    assert not any("conv2d" in name and "round" in name for name in names), "a step more or less is no error there"
    assert not any("winograd" in var.name_hint for var, _ in lowered.mod.functions_items()), "a step is not exact"
    given = {"x": np.random.default_rng(0).normal(size=(1, 32, 8, 8)).astype(np.float32)}
    right = by_onnx_runtime(str(path), given)
    assert np.abs(computed(path, given) - right).max() < 1e-3 * np.abs(right).max()
