"""Collecting on GPUs: what is planned, and that a collection goes on where it ended."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_collect
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm


def test_a_collection_goes_on_where_it_ended() -> None:
    """The CPU stands in for two GPUs."""
    from search.targets import local_target
    from tests.search.measure.cuda.stand_in import devices

    target = local_target(num_cores=1)
    tasks = gpu_collect.workloads(["small"], target)[-2:]
    store = MemoryStore()
    with devices(target) as device:
        every = gpu_collect.left(tasks, store, target, device.hardware, 4)
        assert [(one.strategy, one.wanted) for one in every] == [("random", 2)] * 2 + [("bo", 2)] * 2
        assert gpu_collect.step(tasks[:1], store, device, 4, minutes=10) == 0
        rest = gpu_collect.left(tasks, store, target, device.hardware, 4)
        assert {one.task.name for one in rest} == {tasks[1].name}
        assert gpu_collect.step(tasks, store, device, 4, minutes=0) == 4, "no time, no trials"


def test_without_a_gpu_it_tells_what_it_would_measure(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu_collect",
        "--store",
        str(tmp_path / "store"),
        "--networks",
        "small",
    ]
    done = subprocess.run(
        [*command, "--target", "nvidia/nvidia-h100", "--dry-run"], capture_output=True, text=True, check=True
    )
    told: Any = done.stdout.split()
    assert told[1] == "workloads,"
    assert int(told[2].replace(",", "")) == gpu_collect.TRIALS * int(told[0])
