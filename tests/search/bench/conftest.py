"""A network of one product, as a file and as a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunedb.records import Target


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import onnx

    from benchmarks.models import Graph

    g = Graph("product", 0)
    path = tmp_path_factory.mktemp("model") / "product.onnx"
    onnx.save(g.model(g.node("Relu", g.dense(g.input("x", (16, 64)), 64, 64))), str(path))
    return path


@pytest.fixture(scope="session")
def small_library(small_network: Path, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from search.measure.here import this_cpu
    from search.networks.compiling import CompileOptions, compile_network
    from search.networks.importing import import_file
    from tunedb import open_store

    path = tmp_path_factory.mktemp("library") / "product.so"
    with open_store("memory:") as store, this_cpu(target) as device:
        compile_network(
            import_file(small_network),
            path,
            store=store,
            target=target,
            device=device,
            options=CompileOptions(predicts=False),
        )
    return path
