"""Programs of which the target has no record get the nearest target's, at the user's word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from search.networks.api import compile as compiled
from search.networks.compiling import CompileOptions
from search.networks.lowering import Layout, Lowered, lower
from search.networks.network import Network
from search.networks.plan import Origin, plan
from search.targets import parse_target
from tests.search.networks.foreign import AARCH64, RISCV64, needs
from tunedb.identity import source
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule.replay import trial_from_measurement, workload_from_module
from tunedb.records import Target

pytestmark = pytest.mark.tvm

LAYOUT = Layout.CHANNELS_FIRST


@pytest.fixture(scope="module")
def target() -> Target:
    return parse_target(RISCV64)


@pytest.fixture
def lowered(images: Network, target: Target) -> Lowered:
    return lower(images, target, LAYOUT)


@pytest.fixture
def store(empty_store: Any, lowered: Lowered) -> Any:
    """Has a record of the sum, for the same CPU with four cores, and for one of another architecture."""
    from tvm import s_tir

    task = next(one for one in lowered.tasks if one.name.startswith("mean"))
    workload, module = workload_from_module(task.mod)
    schedule = s_tir.Schedule(task.mod)
    machine, run = hardware_named("a board"), source("tune:0", "tune")
    others = [parse_target(RISCV64.replace('"num-cores":1', '"num-cores":4')), parse_target(AARCH64)]
    measured: dict[str, Any] = {"position": 0, "trace": schedule.trace, "measured_at": datetime.now(UTC)}
    trials = [
        trial_from_measurement(module, other, machine, run, run_secs=[secs], **measured)
        for other, secs in zip(others, (1.0, 0.1), strict=True)
    ]
    empty_store.append(
        trials, workloads=[workload], modules=[module], targets=others, hardware=[machine], sources=[run]
    )
    return empty_store


def test_another_target_is_asked_only_at_the_user_s_word(lowered: Lowered, store: Any) -> None:
    assert all(not choice.schedules for choice in plan(lowered, store, None))
    schedules = [one for choice in plan(lowered, store, None, takes_near=True) for one in choice.schedules]
    assert [(one.origin, one.measured_for) for one in schedules] == [(Origin.NEAR, "llvm generic-rv64 4 cores")]


@needs("riscv64-linux-gnu-g++")
def test_the_library_says_what_stood_in(images: Network, store: Any, target: Target, tmp_path: Path) -> None:
    options = CompileOptions(layout=LAYOUT, predicts=False, takes_near=True)
    made = compiled(images, tmp_path / "images.so", store=store, target=target, options=options)
    told = {(one.origin, one.measured_for) for one in made.manifest.programs}
    assert told == {("near", "llvm generic-rv64 4 cores"), ("untuned", "")}
    (near,) = [one for one in made.manifest.programs if one.origin == "near"]
    assert near.record
    assert not near.verified
