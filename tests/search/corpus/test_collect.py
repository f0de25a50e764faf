"""Collections: what a spec says, what is left of it, and going on."""

from __future__ import annotations

import threading
from pathlib import Path

import onnx
import pytest

from benchmarks.models import small
from search.corpus.collect import Spec, Workloads, collect, plan, read_spec
from search.targets import local_target
from tunedb.errors import BadInputError, NotFoundError
from tunedb.store.memory import MemoryStore


def spec_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("trials = ", "spec.toml"),
        ("trials = 3", "neither workloads nor networks"),
        ('workloads = [{operator = "softmax_mn", sizes = [[3]], shape = 1}]', "unknown field `shape`"),
        ('workloads = [{operator = "gemm", sizes = [[3]]}]', "no operator 'gemm'"),
        ("workloads = []\nrandom_share = 1.5", "between 0 and 1"),
    ],
)
def test_bad_specs_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        read_spec(spec_of(tmp_path, text))


def test_a_spec_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_spec(tmp_path / "none.toml")


@pytest.mark.tvm
def test_a_collection_goes_on_where_it_was_stopped() -> None:
    spec = Spec([Workloads("matmul", [[32, 32, 32]]), Workloads("softmax_mn", [[16, 64]])], trials=4)
    store, target, stop = MemoryStore(), local_target(1), threading.Event()
    steps = plan(spec, store, target).steps
    assert [(step.strategy, step.wanted) for step in steps] == [("random", 2)] * 2 + [("bo", 2)] * 2

    def stop_early(*_: object) -> None:
        stop.set()

    first = collect(steps, store, target, on_trial=stop_early, stop=stop)
    assert first.interrupted
    done = store.stats().num_trials
    assert 0 < done < 8
    left = plan(spec, store, target).steps
    assert sum(step.wanted for step in left) == 8 - done
    second = collect(left, store, target)
    assert (second.measured, second.skipped) == (8 - done, {})
    assert plan(spec, store, target).steps == []
    assert {row.name.split()[0] for row in store.workloads()} == {"matmul", "softmax"}


@pytest.mark.tvm
def test_only_guided_trials_start_from_a_model_and_only_when_asked_to() -> None:
    store, target = MemoryStore(), local_target(1)
    for asked in (False, True):
        spec = Spec([Workloads("matmul", [[32, 32, 32]])], trials=4, guided_by_prior=asked)
        assert {step.strategy: step.use_prior for step in plan(spec, store, target).steps} == {
            "random": False,
            "bo": asked,
        }


@pytest.mark.tvm
def test_networks_bring_their_tasks_each_once(tmp_path: Path) -> None:
    for name in ("one", "other"):
        onnx.save(small(size=8), tmp_path / f"{name}.onnx")
    spec = read_spec(spec_of(tmp_path, 'trials = 2\nbeta = 3.0\nnetworks = ["one.onnx", "other.onnx"]'))
    planned = plan(spec, MemoryStore(), local_target(1))
    ids = {step.workload_id for step in planned.steps}
    assert len(planned.steps) == 2 * len(ids)
    assert {step.beta for step in planned.steps} == {3.0}
    assert planned.networks["one"] == planned.networks["other"]
    assert set(planned.networks["one"]) == ids


def test_a_network_that_is_not_there(tmp_path: Path) -> None:
    spec = read_spec(spec_of(tmp_path, 'networks = ["none.onnx"]'))
    with pytest.raises(NotFoundError, match=r"none\.onnx"):
        plan(spec, MemoryStore(), local_target(1))


@pytest.mark.tvm
def test_what_counts_is_what_the_gpu_measured_and_not_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for the GPU: trials are the GPU's all the same."""
    from search.measure import cuda_driver
    from search.measure.here import this_hardware
    from search.targets import parse_target
    from tests.search.measure.cuda.stand_in import H100, devices

    spec, store, target = Spec([Workloads("matmul", [[32, 32, 32]])], trials=2), MemoryStore(), local_target(1)
    with devices(target, 1) as device:
        collect(plan(spec, store, target, device.hardware).steps, store, target, device=device)
    assert plan(spec, store, target, H100).steps == []
    assert sum(step.wanted for step in plan(spec, store, target).steps) == 2, "the host has measured nothing"
    monkeypatch.setattr(cuda_driver, "devices_with_uuids", lambda: [(H100, "GPU-0")])
    assert this_hardware(parse_target("nvidia/nvidia-h100")) == H100
