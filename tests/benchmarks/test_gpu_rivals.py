"""How a library is set beside other runtimes, on a machine without a GPU: the CPU stands in for one."""

from pathlib import Path

import onnx
import pytest

from benchmarks import models
from benchmarks.gpu_rivals import OURS, compared, rivals
from search.networks.arrays import random_arrays
from search.networks.importing import import_network

pytestmark = pytest.mark.tvm


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(models.small(size=16), tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_a_rival_that_is_not_there_is_named_and_gets_no_time(path: Path) -> None:
    found, refused = rivals(path, random_arrays(import_network(str(path)).inputs), "cuda")
    assert not found
    assert all(refused[f"{name}, ONNX Runtime"] for name in ("TensorRT", "CUDA's libraries"))
    assert refused["Inductor"]


def test_a_library_and_its_rivals_run_in_turn(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from search.measure.here import this_device
    from search.networks.compiling import CompileOptions, compile_network
    from search.networks.lowering import Layout
    from search.targets import local_target
    from tunedb.store.memory import MemoryStore

    target, library = local_target(1), tmp_path / "small.so"
    options = CompileOptions(layout=Layout.CHANNELS_FIRST, predicts=False)
    with this_device(target) as device:
        compile_network(
            import_network(str(path)), library, store=MemoryStore(), target=target, device=device, options=options
        )
    row = compared(library, path, rounds=2, device="cpu")
    assert row["verified"] is True
    assert {OURS, "CPU, ONNX Runtime"} <= row["secs"].keys()
    assert row["secs"].keys() - {OURS} == row["ratio"].keys()
    assert all(secs > 0 for secs in row["secs"].values())
