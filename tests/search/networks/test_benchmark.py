from typing import Any

import pytest

from search.networks.benchmark import OURS, benchmark
from search.networks.compiling import Compiled
from search.networks.network import Network
from search.networks.turns import in_turn

pytestmark = pytest.mark.tvm


def test_every_program_of_a_run_is_timed_and_runtimes_stand_beside(
    library: Compiled, images: Network, device: Any
) -> None:
    found = benchmark(library.path, images, device)
    calls = {program.workload: program.calls for program in library.manifest.programs}
    assert {one.workload: one.calls for one in found.programs if one.origin != "scheduled"} == calls
    assert sum(one.share for one in found.programs) == pytest.approx(1.0)
    assert [one.secs for one in found.programs] == sorted((one.secs for one in found.programs), reverse=True)
    names = [one.name.split()[0] for one in found.runtimes]
    assert names[:2] == [OURS, "ONNX"]
    for one in found.runtimes:
        assert one.low_secs <= one.secs <= one.high_secs
    assert found.runtimes[0].ratio == 1.0
    assert found.roof.flop_per_sec > found.roof.bytes_per_sec / 8
    arithmetic = [one for one in found.programs if one.workload.startswith("conv2d")]
    assert arithmetic
    assert all(one.flop_per_sec and one.roof_share for one in arithmetic)


def test_runs_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    found = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 4
    assert [len(secs) for secs in found.values()] == [3, 3]


def test_after_a_rest_a_call_does_not_count() -> None:
    order: list[str] = []
    found = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, rest_secs=1e-3)
    assert order == ["a", "a", "b", "b"] * 3
    assert [len(secs) for secs in found.values()] == [2, 2]
