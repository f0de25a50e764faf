"""What only a GPU can show: `pytest -m gpu tests/search/measure tests/search/networks`. Never run so far."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.measure.device import Timing
from search.measure.programs import program_of
from tests.search.measure import modules
from tunedb.records import Outcome, Target
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def gpu() -> Target:
    from search.targets import parse_target

    return parse_target("cuda")


@pytest.fixture(scope="module")
def device(gpu: Target) -> Iterator[Any]:
    from search.measure.here import this_device

    with this_device(gpu) as made:
        yield made


def straying() -> Any:
    """A kernel that writes far behind its array: an illegal access."""
    from tvm import te
    from tvm.s_tir import Schedule

    far = 1 << 33
    a, b = (te.placeholder((64,), name=name, dtype="float32") for name in "ab")
    mod = modules.of_operators(a, b, te.compute((64,), lambda i: a[i] + b[i * te.const(far, "int64")], name="c"))
    schedule = Schedule(mod)
    schedule.bind(schedule.get_loops(schedule.get_sblock("c"))[0], "threadIdx.x")
    return schedule.mod


def measured(device: Any, *mods: Any, **options: Any) -> list[Any]:
    numbers = [build.number for build in device.build([program_of(mod) for mod in mods])]
    found = {one.number: one for one in device.run(numbers, **options)}
    return [found[number] for number in numbers]


def test_it_works_and_knows_what_it_is(device: Any) -> None:
    device.check()
    assert device.hardware.kind == "gpu"
    assert device.hardware.num_sms and device.hardware.compute_capability


def test_an_illegal_access_costs_one_trial_and_a_process(device: Any) -> None:
    (runner, *_) = device._working()
    before = runner._pool.submit(os.getpid).result()
    stray, *good = measured(device, straying(), *[modules.matmul(64)] * (1 + device.num_parallel))
    assert stray.outcome is Outcome.RUN_ERROR
    assert [one.outcome for one in good] == [Outcome.OK] * len(good)
    if device.num_parallel == 1:
        assert runner._pool.submit(os.getpid).result() != before


def test_a_kernel_is_timed_with_warm_and_with_flushed_caches(device: Any) -> None:
    for timing in (Timing(repeat=3, min_repeat_ms=1), Timing(repeat=3, flush_cache=True)):
        (found,) = measured(device, modules.matmul(512), timing=timing)
        assert (found.outcome, found.error, len(found.run_secs)) == (Outcome.OK, "", 3)
        assert all(0 < secs < 1 for secs in found.run_secs)


def test_the_reference_kernels_tell_what_it_can_do(device: Any) -> None:
    from search.measure.drift import Drift
    from search.measure.reference_kernels import ReferenceKernels
    from tunedb import identity

    drift = Drift(ReferenceKernels(device), identity.source("tune:1", "tune"))
    arithmetic, memory = drift.measure()
    assert arithmetic.run_secs and memory.run_secs
    assert 1e11 < drift.flop_per_sec < 1e15, "between the slowest and the fastest GPU there is"


def test_outputs_are_compared(device: Any) -> None:
    untuned, other = program_of(modules.matmul(64)), program_of(modules.added())
    assert device.compare(untuned, untuned).deviation == 0.0
    assert device.compare(other, untuned).deviation > 0.1


def test_tuning_stores_trials_of_the_gpu_with_right_numbers(gpu: Target, device: Any) -> None:
    from search.task import Task
    from search.tune import tune

    store = MemoryStore()
    tasks = [Task("product", modules.matmul(512))]
    report = tune(tasks, store=store, target=gpu, trials=16, device=device)
    (task,) = report.tasks
    assert report.trials == 16
    assert task.best is not None and task.best.hardware_id == device.hardware.hardware_id
    assert task.numbers is not None and task.numbers.agrees


@pytest.mark.slow
def test_a_network_is_verified(gpu: Target, device: Any, tmp_path: Path) -> None:
    from benchmarks.models import write
    from search.networks.arrays import random_arrays
    from search.networks.compiling import compile_network
    from search.networks.importing import import_network
    from search.networks.runtime import Library

    network = import_network(str(write("small", tmp_path)), None)
    path = tmp_path / "small.so"
    made = compile_network(network, path, store=MemoryStore(), target=gpu, device=device)
    assert made.manifest.verification is not None
    assert made.manifest.verification.agrees
    library = Library(path)
    assert len(library.time(random_arrays(network.inputs), 3)) == 3
