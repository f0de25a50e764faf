"""Small networks as ONNX files, of the operators that benchmarks' networks have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph import Graph
from search.networks.network import Network
from tunedb.records import Target
from tunedb.store.contract import Store


def small_images() -> Any:
    """A convolution with ReLU6, a depthwise one, a residual sum, a mean and a product."""
    g = Graph("images", 0)
    low, high = g.constant(0.0), g.constant(6.0)
    x = g.node("Clip", g.conv(g.input("image", (1, 3, 12, 12)), 3, 8, 3), low, high)
    y = g.node("Clip", g.conv(x, 8, 8, 3, groups=8), low, high)
    x = g.node("Add", x, g.conv(y, 8, 8, 1))
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    return g.model(g.node("Gemm", x, g.normal(5, 8, fan_in=8), g.constant(np.zeros(5)), transB=1))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model and gives its path."""
    import onnx

    def written(model: Any, name: str = "net.onnx", **options: Any) -> Path:
        path = tmp_path / name
        onnx.save(model, str(path), **options)
        return path

    return written


@pytest.fixture(scope="session")
def images_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import onnx

    path = tmp_path_factory.mktemp("models") / "images.onnx"
    onnx.save(small_images(), str(path))
    return path


@pytest.fixture(scope="module")
def device(target: Target) -> Iterator[Any]:
    from search.measure.local import LocalCpu

    with LocalCpu(target) as made:
        yield made


@pytest.fixture
def images(images_file: Path) -> Network:
    from search.networks.importing import import_file

    return import_file(images_file)


@pytest.fixture
def empty_store(tmp_path: Path) -> Any:
    from tunedb import open_store

    with open_store(str(tmp_path / "store")) as store:
        yield store


@pytest.fixture(scope="session")
def library(images_file: Path, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The small network, compiled with what is predicted: what `compile_network` says of it."""
    from search.measure.here import this_cpu
    from search.networks.compiling import compile_network
    from search.networks.importing import import_file
    from tunedb import open_store

    folder = tmp_path_factory.mktemp("library")
    store: Store
    with open_store(str(folder / "store")) as store, this_cpu(target) as device:
        return compile_network(
            import_file(images_file), folder / "images.so", store=store, target=target, device=device
        )
