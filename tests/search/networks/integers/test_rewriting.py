from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.lowering import Layout, Lowered, lower
from tests.search.networks.reference import by_onnx_runtime
from tunedb.identity import canonical_target
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

pytestmark = pytest.mark.tvm

VNNI = canonical_target({"kind": "llvm", "mcpu": "cascadelake", "num-cores": 1})
SIZE = 9


def through(g: Graph, x: str, scale: float, zero: int, kind: type) -> str:
    levels = g.constant(scale), g.constant(zero, kind)
    return g.node("DequantizeLinear", g.node("QuantizeLinear", x, *levels), *levels)


def conv(g: Graph, x: str, channels: int, filters: int, *, bias: bool = True, **attributes: Any) -> str:
    shape = (filters, channels // attributes.get("group", 1), 3, 3)
    integers = g.constant(g.rng.integers(-127, 128, shape), np.int8)
    scales, zeros = g.constant(g.rng.uniform(0.001, 0.002, filters)), g.constant(np.zeros(filters), np.int8)
    weight = g.node("DequantizeLinear", integers, scales, zeros, axis=0)
    given = [g.constant(g.rng.normal(0, 0.1, filters))] if bias else []
    return g.node("Conv", x, weight, *given, **{"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], **attributes})


def dense(g: Graph, x: str, width: int, out: int) -> str:
    weight = g.constant(g.rng.integers(-127, 128, (width, out)), np.int8)
    return g.node("MatMul", x, g.node("DequantizeLinear", weight, g.constant(0.01), g.constant(0, np.int8)))


def block(g: Graph, x: str, channels: int, kind: type, zero: int) -> str:
    y = g.node("Relu", conv(g, through(g, x, 0.02, zero, kind), channels, 32))
    z = conv(g, through(g, y, 0.05, zero, kind), 32, 32, bias=False)
    return through(g, g.node("Relu", g.node("Add", z, y)), 0.1, zero, kind)


BODIES: dict[str, tuple[Callable[[Graph, str], str], int, int]] = {  # the channels, and the products of integers
    "signed": (lambda g, x: block(g, x, 8, np.int8, 0), 8, 2),
    "signed with an offset": (lambda g, x: block(g, x, 8, np.int8, -7), 8, 2),
    "unsigned": (lambda g, x: block(g, x, 8, np.uint8, 131), 8, 2),
    "channels that are filled up": (lambda g, x: conv(g, through(g, x, 0.02, 0, np.int8), 3, 16), 3, 1),
    "strided": (lambda g, x: conv(g, through(g, x, 0.02, 3, np.uint8), 4, 16, strides=[2, 2]), 4, 1),
    "uneven padding": (lambda g, x: conv(g, through(g, x, 0.02, 3, np.uint8), 4, 16, pads=[0, 1, 2, 0]), 4, 1),
    "rows": (lambda g, x: dense(g, through(g, x, 0.02, 100, np.uint8), SIZE, 48), 4, 1),
    "filters that are filled up": (lambda g, x: conv(g, through(g, x, 0.02, 3, np.uint8), 4, 20), 4, 1),
    "columns that are filled up": (lambda g, x: dense(g, through(g, x, 0.02, 100, np.uint8), SIZE, 10), 4, 1),
    "filters that hardly fill a vector": (lambda g, x: conv(g, through(g, x, 0.02, 0, np.int8), 4, 6), 4, 0),
    "grouped": (lambda g, x: conv(g, through(g, x, 0.02, 0, np.int8), 16, 16, group=4), 16, 0),
    "input that is not quantised": (lambda g, x: conv(g, x, 4, 16), 4, 0),
}


def computed(lowered: Lowered, target: Target, x: Any) -> Any:
    import tvm

    executable = tvm.compile(lowered.mod, target=target_to_tvm(target))
    return tvm.relax.VirtualMachine(executable, tvm.cpu())["main"](tvm.runtime.tensor(x)).numpy()


@pytest.mark.parametrize("name", BODIES)
def test_what_is_computed_stays_the_same(name: str, save: Callable[..., Path], target: Target) -> None:
    body, channels, number = BODIES[name]
    g = Graph("quantized", 0)
    imported = import_file(save(g.model(body(g, g.input("x", (1, channels, SIZE, SIZE))))))
    lowered = lower(imported, VNNI, Layout.CHANNELS_LAST)
    assert sum("int8_conv" in task.name for task in lowered.tasks) == number
    x = np.random.default_rng(1).normal(size=(1, channels, SIZE, SIZE)).astype(np.float32)
    made = computed(lowered, target, x)
    right = by_onnx_runtime(imported.onnx, {"x": x})  # ONNX's own reference has no quantisation of this opset
    step = 0.1 if name in ("signed", "signed with an offset", "unsigned") else 1e-5
    assert np.abs(made - right).max() <= step * 1.001
    assert np.mean(np.abs(made - right) > 1e-4 * np.abs(right).max()) < 0.01  # a sum in another order, a tie


def test_rounding_is_part_of_the_program_that_adds_integers(save: Callable[..., Path]) -> None:
    g = Graph("fused", 0)
    imported = import_file(save(g.model(block(g, g.input("x", (1, 8, SIZE, SIZE)), 8, np.int8, 0))))
    names = [task.name for task in lower(imported, VNNI, Layout.CHANNELS_LAST).tasks]
    assert any("round" in name for name in names if "int8_conv" in name)


def test_rounding_is_no_part_of_the_program_that_adds_floats(save: Callable[..., Path]) -> None:
    g = Graph("apart", 0)
    x = g.input("x", (1, 8, SIZE, SIZE))
    imported = import_file(save(g.model(through(g, g.node("Relu", conv(g, x, 8, 16)), 0.1, 0, np.int8))))
    names = [task.name for task in lower(imported, VNNI, Layout.CHANNELS_LAST).tasks]
    assert not any("conv" in name and "round" in name for name in names)


def test_a_target_without_the_instruction_computes_floats(save: Callable[..., Path]) -> None:
    g = Graph("floats", 0)
    imported = import_file(save(g.model(block(g, g.input("x", (1, 8, SIZE, SIZE)), 8, np.int8, 0))))
    lowered = lower(
        imported, canonical_target({"kind": "llvm", "mcpu": "haswell", "num-cores": 1}), Layout.CHANNELS_LAST
    )
    assert not any("int8_conv" in task.name for task in lowered.tasks)
