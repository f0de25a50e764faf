"""What was found of schedules is stored, and nothing is built again to find it anew."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from search.measure.correctness import check_numbers
from search.measure.device import Comparison, Device, Program
from search.measure.local import LocalCpu
from search.measure.verdicts import Verdicts
from search.networks.compiling import Compiled, CompileOptions, compile_network
from search.networks.documents import of_program
from search.networks.network import Network
from search.networks.plan import Choice, Origin
from search.networks.verification import Settled, settle
from search.sources import source_of
from tests.search.networks.test_verification import (
    choice,
    four_columns_for_all,
    mod,
    of_8_bits,
    traced,
    two_rows_in_one,
)
from tunedb.errors import StoreError
from tunedb.identity import trace_id, trial_id_of, with_verdict_id
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import NETWORK_CONDITIONS, Outcome, Target, Trace, Trial, Verdict
from tunedb.store.contract import Store
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm

__all__ = ["mod"]


class CountingCpu(LocalCpu):
    """This CPU, and how many programs it compared."""

    num_compared = 0

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        self.num_compared += 1
        return super().compare(program, untuned, seed)


class Emulated(CountingCpu):
    """The same, as if it were emulated: it tells no times."""

    @property
    @override
    def emulator(self) -> str:
        return "an emulator"

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        return dataclasses.replace(super().compare(program, untuned, seed), secs=math.inf, untuned_secs=math.inf)


@pytest.fixture(scope="module")
def device(target: Target) -> Any:
    with CountingCpu(target) as made:
        yield made


def vectorized(schedule: Any) -> None:
    schedule.vectorize(schedule.get_loops(schedule.get_sblock("D"))[1])


def settled(given: Choice, device: CountingCpu, store: Store) -> tuple[Settled, int]:
    """What a program is compiled with, and how many programs were compared to find that."""
    before = device.num_compared
    (found,) = settle([given], device, Verdicts(store, device, "compile"))
    return found, device.num_compared - before


def test_a_wrong_schedule_is_refused_without_being_built_again(mod: Any, device: CountingCpu) -> None:
    store, given = MemoryStore(), choice(mod, traced(mod, two_rows_in_one))
    first, num_compared = settled(given, device, store)
    assert num_compared == 1
    (verdict,) = store.verdicts()
    assert (verdict.agrees, verdict.workload_id, verdict.source) == (False, given.workload.workload_id, "compile")
    assert "found on" not in first.refused[0]
    again, num_compared = settled(given, device, store)
    assert num_compared == 0
    assert again.origin is Origin.UNTUNED
    assert again.refused == (f"{first.refused[0]}, found on {verdict.found_at:%Y-%m-%d}",)
    assert len(store.verdicts()) == 1


def test_a_right_schedule_is_not_built_again(mod: Any, device: CountingCpu) -> None:
    store, given = MemoryStore(), choice(mod, traced(mod, vectorized))
    settled(given, device, store)
    (verdict,) = store.verdicts()
    assert verdict.agrees and verdict.tells and verdict.is_timed
    found, num_compared = settled(given, device, store)
    assert num_compared == 0
    day = f"{verdict.found_at:%Y-%m-%d}"
    if found.trace is None:  # it was slower, and still is
        assert f"found on {day}" in found.refused[0]
    else:
        assert (found.earlier, found.note, found.is_verified) == (day, f"verified earlier, on {day}", True)
        assert found.comparison is not None
        assert (found.comparison.secs, found.comparison.untuned_secs) == (verdict.secs, verdict.untuned_secs)


def test_only_a_verdict_of_this_machine_and_release_with_times_spares_building(mod: Any, device: CountingCpu) -> None:
    given = choice(mod, traced(mod, vectorized))
    store = MemoryStore()
    settled(given, device, store)
    (right,) = store.verdicts()
    for change in (
        {"hardware_id": "another"},
        {"tvm_version": "0.1"},
        {"target_id": "another"},
        {"workload_id": "another"},
        {"trace_id": "another"},
        {"secs": None, "untuned_secs": None},
        {"magnitude": 0.0},
    ):
        other = MemoryStore()
        other.append_verdicts([with_verdict_id(dataclasses.replace(right, **change))])  # type: ignore[arg-type]
        assert settled(given, device, other)[1] == 1, change
        assert len(other.verdicts()) == 2


def test_what_an_emulator_verified_is_not_run_again_and_has_no_times(mod: Any, target: Target) -> None:
    store, given = MemoryStore(), choice(mod, traced(mod, vectorized))
    with Emulated(target) as emulated:
        found, num_compared = settled(given, emulated, store)
        assert num_compared == 1 and found.is_verified
        again, num_compared = settled(given, emulated, store)
    assert num_compared == 0 and again.is_verified and again.earlier
    for one in (found, again):
        document = of_program(one)
        assert document["secs"] is None and document["untuned_secs"] is None
        json.dumps(document, allow_nan=False)


def test_a_wrong_verdict_of_another_machine_counts_and_of_another_release_does_not(
    mod: Any, device: CountingCpu
) -> None:
    given = choice(mod, traced(mod, vectorized))
    store = MemoryStore()
    settled(given, device, store)
    (right,) = store.verdicts()
    wrong = dataclasses.replace(right, deviation=0.5, hardware_id="another")
    store.append_verdicts([with_verdict_id(dataclasses.replace(wrong, tvm_version="0.1"))])
    found, num_compared = settled(given, device, store)
    assert num_compared == 0 and not any("WRONG" in why for why in found.refused)
    later = right.found_at.replace(year=right.found_at.year + 1)
    store.append_verdicts([with_verdict_id(dataclasses.replace(wrong, found_at=later))])
    found, num_compared = settled(given, device, store)
    assert num_compared == 0 and "WRONG" in found.refused[0]


def test_a_store_that_cannot_be_written_stops_nothing(mod: Any, device: CountingCpu) -> None:
    class Full(MemoryStore):
        @override
        def append_verdicts(self, verdicts: Sequence[Verdict]) -> None:
            raise StoreError("no space left")

    found, _ = settled(choice(mod, traced(mod, two_rows_in_one)), device, Full())
    assert "WRONG NUMBERS" in found.refused[0]


def planted(store: Store, mod: Any, target: Target, device: Device, traces: Sequence[Trace]) -> list[Trial]:
    """Trials of schedules of a program that are said to be faster than anything."""
    workload, module = workload_from_module(mod)
    source = source_of("random", 0, "none")
    trials = [
        Trial(
            "", workload.workload_id, module.module_id, target.target_id, device.hardware.hardware_id,
            source.source_id, place, trace, b"[]", (1e-12 * (place + 1),), Outcome.OK,
        )
        for place, trace in enumerate(traces)
    ]  # fmt: skip
    trials = [dataclasses.replace(one, trial_id=trial_id_of(one)) for one in trials]
    store.append(
        trials,
        workloads=[workload],
        modules=[module],
        targets=[target],
        hardware=[device.hardware],
        sources=[source],
    )
    return trials


def test_wrong_schedules_in_the_store_are_refused_and_the_next_best_is_tried(
    mod: Any, target: Target, device: CountingCpu, empty_store: Store
) -> None:
    from search.networks.plan import _recorded

    class Network:
        """As much of a lowered network as planning asks for."""

        def __init__(self) -> None:
            self.target = target

    wrongs = [traced(mod, wrong) for wrong in (of_8_bits, two_rows_in_one, four_columns_for_all)]
    trials = planted(empty_store, mod, target, device, [*wrongs, traced(mod, vectorized)])
    workload, _ = workload_from_module(mod)
    task = choice(mod).task
    lowered: Any = Network()
    given = Choice(task, workload, tuple(_recorded(empty_store, workload, lowered)))
    assert [one.record_id for one in given.schedules] == [one.trial_id for one in trials[:3]]
    first, num_compared = settled(given, device, empty_store)
    assert num_compared == 3 and len(first.refused) == 3
    assert all("WRONG NUMBERS" in why for why in first.refused)
    assert {row.trace_id for row in empty_store.verdicts() if not row.agrees} == set(map(trace_id, wrongs))
    given = Choice(task, workload, tuple(_recorded(empty_store, workload, lowered)))
    assert len(given.schedules) == 4
    again, num_compared = settled(given, device, empty_store)
    assert num_compared == 1, "the only schedule that nothing is known of"
    assert [why.count("WRONG NUMBERS") for why in again.refused[:3]] == [1, 1, 1]
    assert all("found on" in why for why in again.refused[:3])


def test_what_was_measured_as_in_a_network_comes_before_what_was_measured_alone(
    mod: Any, target: Target, device: CountingCpu, empty_store: Store
) -> None:
    from search.networks.plan import _recorded

    class Network:
        """As much of a lowered network as planning asks for."""

        def __init__(self) -> None:
            self.target = target

    alone = planted(empty_store, mod, target, device, [traced(mod, vectorized), traced(mod, of_8_bits)])
    workload, _ = workload_from_module(mod)
    lowered: Any = Network()
    assert [one.record_id for one in _recorded(empty_store, workload, lowered)] == [one.trial_id for one in alone]
    slower = dataclasses.replace(alone[1], conditions=NETWORK_CONDITIONS, run_secs=(1.0,))
    slower = dataclasses.replace(slower, trial_id=trial_id_of(slower))
    empty_store.append([slower])
    assert [one.record_id for one in _recorded(empty_store, workload, lowered)] == [slower.trial_id]


def test_what_tuning_checked_is_known_to_compiling(mod: Any, device: CountingCpu) -> None:
    for steps, agrees in ((vectorized, True), (two_rows_in_one, False)):
        store, trace = MemoryStore(), traced(mod, steps)
        found = check_numbers(mod, trace, device)
        assert found.comparison is not None and found.agrees is agrees
        workload, _ = workload_from_module(mod)
        Verdicts(store, device, "tune:1").keep(workload.workload_id, trace, found.comparison, found.allowed_deviation)
        assert settled(choice(mod, trace), device, store)[1] == 0
        assert [row.agrees for row in store.verdicts()] == [agrees]


def test_compiling_a_second_time_builds_no_schedule(
    images: Network, target: Target, empty_store: Store, device: CountingCpu, tmp_path: Path
) -> None:
    def compiled() -> tuple[Compiled, int]:
        before = device.num_compared
        options = CompileOptions(predicts=True)
        done = compile_network(
            images, tmp_path / "net.so", store=empty_store, target=target, device=device, options=options
        )
        return done, device.num_compared - before

    first, num_first = compiled()
    assert num_first > 0
    assert empty_store.stats().num_verdicts > 0
    assert empty_store.workloads() == [], "a verdict brings no workload along"
    second, num_second = compiled()
    assert num_second < num_first
    assert [one.trace for one in second.programs] == [one.trace for one in first.programs]
    used = [one for one in second.programs if one.trace is not None]
    assert all(one.earlier and one.is_verified for one in used)
