"""Networks for a GPU that is not here: compiled, and said to be not verified."""

from pathlib import Path
from typing import Any

import pytest

from search.measure import cuda_driver, nvrtc
from search.networks.compiling import CompileOptions, compile_network
from search.networks.lowering import Layout, lower
from search.networks.manifest import read_manifest
from search.networks.network import Network
from search.networks.plan import Choice, Origin, Schedule
from search.networks.unrun import settle_unrun
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Trace
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def h100() -> Any:
    from search.targets import parse_target

    return parse_target("nvidia/nvidia-h100")


@pytest.fixture(autouse=True)
def without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libcuda-of-no-machine.so.1")


def has_nvrtc() -> bool:
    try:
        nvrtc.toolkit()
    except MeasurementError:
        return False
    return True


@pytest.mark.slow
def test_a_network_always_builds_and_says_that_nothing_ran(images: Network, h100: Any, tmp_path: Path) -> None:
    """Without a prediction each program has DLight's schedule, or a thread for each element."""
    path = tmp_path / "images.so"
    made = compile_network(
        images, path, store=MemoryStore(), target=h100, device=None, options=CompileOptions(predicts=False)
    )
    assert {one.origin for one in made.programs} == {Origin.UNTUNED}
    assert not any(one.is_verified or "INVALID" in one.note for one in made.programs)
    verification = read_manifest(path).verification
    assert verification is not None and verification.agrees is None
    assert "nothing was run, as this machine has no device for the target" in verification.note
    assert ("bytes of machine code" if has_nvrtc() else "pip install 'tunedb[cuda]'") in verification.note


def test_a_schedule_that_cannot_be_used_gives_way(images: Network, h100: Any) -> None:
    task = lower(images, h100, Layout.CHANNELS_FIRST).tasks[0]
    workload, _ = workload_from_module(task.mod)
    broken = Schedule(Origin.RECORD, Trace(b"[]", b"[]"), "f" * 32)  # binds nothing; DLight does
    foreign = Schedule(Origin.RECORD, Trace(b'[["GetSBlock",[],["nothing","main"],["b0"]]]', b"[]"), "e" * 32)
    first, second = settle_unrun([Choice(task, workload, (foreign, broken)), Choice(task, workload, (foreign,))], h100)
    assert (first.origin, first.record_id) == (Origin.RECORD, "f" * 32)
    assert [text[:12] for text in first.refused] == ["e" * 12]
    assert (second.origin, second.trace) == (Origin.UNTUNED, None)


@pytest.mark.slow
def test_what_is_predicted_for_a_gpu_becomes_machine_code(images: Network, h100: Any, tmp_path: Path) -> None:
    made = compile_network(images, tmp_path / "images.so", store=MemoryStore(), target=h100, device=None)
    assert any(one.origin is Origin.PREDICTED for one in made.programs)
    assert not [one.note for one in made.programs if "INVALID" in one.note]
