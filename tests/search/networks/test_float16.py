"""Networks in float16: on this CPU verified, for a GPU tensor cores' programs."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks import models
from benchmarks.half import halved
from search.networks.compiling import CompileOptions, compile_network
from search.networks.importing import import_network
from search.networks.lowering import Layout, lower
from search.networks.network import Network
from search.networks.reference import tolerance_of
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path = tmp_path_factory.mktemp("half") / "half.onnx"
    onnx.save(halved(models.small(size=16)), path)
    return import_network(str(path))


def test_its_tensors_are_of_that_type_and_it_may_deviate_by_more(half: Network, tmp_path: Path) -> None:
    assert [spec.dtype for spec in half.inputs] == ["float16"]
    onnx.save(models.small(size=16), tmp_path / "whole.onnx")
    assert tolerance_of(half) == 2e-2 > tolerance_of(import_network(str(tmp_path / "whole.onnx")))


def test_it_is_verified_on_this_cpu(half: Network, tmp_path: Path) -> None:
    from search.measure.here import this_device
    from search.networks.arrays import random_arrays
    from search.networks.runtime import Library
    from search.targets import local_target

    target, path = local_target(1), tmp_path / "half.so"
    with this_device(target) as device:
        options = CompileOptions(layout=Layout.CHANNELS_FIRST, predicts=False)
        made = compile_network(half, path, store=MemoryStore(), target=target, device=device, options=options)
    found = made.manifest.verification
    assert found is not None and found.agrees and found.tolerance == 2e-2
    (output,) = Library(path).run(random_arrays(half.inputs)).values()
    assert output.dtype == np.float16


@pytest.mark.parametrize("layout", list(Layout))
def test_a_gpu_s_candidates_of_it_use_tensor_cores_and_pass(half: Network, layout: Layout) -> None:
    from tvm.s_tir import meta_schedule as ms

    from search.space.spaces import DesignSpaces
    from search.targets import parse_target
    from tunedb.metaschedule.replay import target_to_tvm

    target = parse_target("nvidia/nvidia-h100")
    tasks = [task for task in lower(half, target, layout).tasks if "conv2d" in task.name]
    assert tasks
    for task in tasks:
        context = ms.TuneContext(
            mod=task.mod,
            target=target_to_tvm(target),
            space_generator="post-order-apply",
            num_threads=1,
            rand_state=1,
        )
        designs: Any = context.generate_design_space()
        assert any("auto_tensorize" in str(design.trace) for design in designs)
        spaces = DesignSpaces(context, designs, np.random.default_rng(0))
        spaces.sample(16)
        assert "VerifyGPUCode" not in spaces.funnel.refused
        spaces.close()
