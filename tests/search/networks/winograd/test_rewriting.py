from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.lowering import Layout, Lowered, lower
from search.networks.reference import deviation
from search.networks.winograd.rewriting import best_tiles
from search.targets import local_target
from tests.search.networks.reference import evaluated
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

pytestmark = pytest.mark.tvm

CHANNELS, SIZE = 32, 15  # no multiple of a tile


def network(body: Callable[[Graph, str], str], images: int = 1) -> Any:
    g = Graph("winograd", 0)
    return g.model(body(g, g.input("x", (images, CHANNELS, SIZE, SIZE))))


def conv(g: Graph, x: str, **attributes: Any) -> str:
    weight = g.normal(CHANNELS, CHANNELS, 3, 3, fan_in=9 * CHANNELS)
    return g.node("Conv", x, weight, **{"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], **attributes})


def shortcut(g: Graph, x: str) -> str:
    y = g.conv(x, CHANNELS, CHANNELS, 3)
    return g.node("Relu", g.node("Add", g.conv(g.node("Relu", y), CHANNELS, CHANNELS, 3), x))


def two_at_once(g: Graph, x: str) -> str:
    return g.node("Add", g.conv(x, CHANNELS, CHANNELS, 3), conv(g, x))


def needed_twice(g: Graph, x: str) -> str:
    y = conv(g, x)
    return g.node("Add", g.node("Relu", y), g.node("Sigmoid", y))


BODIES: dict[str, tuple[Callable[[Graph, str], str], int]] = {
    "alone": (conv, 1),
    "bias": (lambda g, x: g.conv(x, CHANNELS, CHANNELS, 3), 1),
    "shortcut": (shortcut, 2),
    "clipped": (lambda g, x: g.node("Clip", conv(g, x), g.constant(-0.5), g.constant(0.5)), 1),
    "two at once": (two_at_once, 2),
    "needed twice": (needed_twice, 1),
    "no padding": (lambda g, x: conv(g, x, pads=[0, 0, 0, 0]), 1),
    "uneven padding": (lambda g, x: conv(g, x, pads=[0, 1, 2, 0]), 1),
    "strided": (lambda g, x: conv(g, x, strides=[2, 2]), 0),
    "dilated": (lambda g, x: conv(g, x, dilations=[2, 2], pads=[2, 2, 2, 2]), 0),
}


def computed(lowered: Lowered, *inputs: Any) -> Any:
    import tvm

    executable = tvm.compile(lowered.mod, target=target_to_tvm(lowered.target))
    return tvm.relax.VirtualMachine(executable, tvm.cpu())["main"](*map(tvm.runtime.tensor, inputs)).numpy()


@pytest.mark.parametrize("name", BODIES)
def test_what_is_computed_stays_the_same(name: str, save: Callable[..., Path], target: Target) -> None:
    body, number = BODIES[name]
    imported = import_file(save(network(body)))
    lowered = lower(imported, target, Layout.CHANNELS_LAST)
    made = [var.name_hint for var, _ in lowered.mod.functions_items() if "winograd_output" in var.name_hint]
    assert len(made) == number
    x = np.random.default_rng(1).normal(size=(1, CHANNELS, SIZE, SIZE)).astype(np.float32)
    assert deviation(computed(lowered, x), evaluated(imported, {"x": x})[0]) < 1e-4


def test_several_images_on_several_cores(save: Callable[..., Path]) -> None:
    imported = import_file(save(network(shortcut, images=3)))
    lowered = lower(imported, local_target(num_cores=2), Layout.CHANNELS_LAST)
    x = np.random.default_rng(1).normal(size=(3, CHANNELS, SIZE, SIZE)).astype(np.float32)
    assert deviation(computed(lowered, x), evaluated(imported, {"x": x})[0]) < 1e-5


def test_products_are_tasks_and_transforms_are_not(save: Callable[..., Path], target: Target) -> None:
    lowered = lower(import_file(save(network(shortcut))), target, Layout.CHANNELS_LAST)
    assert ["matmul" in task.name for task in lowered.tasks if "transpose" not in task.name] == [True]


def test_tiles_are_smaller_where_weights_are_many_and_none_where_channels_are_few() -> None:
    def outputs(size: int, channels: int) -> int:
        tiles = best_tiles(1, size, size, (1, 1, 1, 1), channels, channels, 16)
        return 0 if tiles is None else tiles.filtering.outputs

    assert [outputs(56, 64), outputs(14, 256), outputs(7, 512), outputs(112, 8)] == [4, 4, 2, 0]
