"""What every device must do; the next one is added to `DEVICES`."""

import atexit
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from search.measure.device import Device, Measurement, NoReferenceError, Timing
from search.measure.programs import program_of
from tests.search.measure import modules
from tunedb.errors import MeasurementError, UsageError
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm

Maker = Callable[[Target], Device]


def local(plan: str) -> Maker:
    def make(target: Target) -> Device:
        from search.measure.local import LocalCpu, LocalOptions, Plan

        return LocalCpu(target, LocalOptions(timing=Timing(repeat=2, min_repeat_ms=1), plan=Plan[plan]))

    return make


def behind_a_tracker(target: Target) -> Device:
    from tests.search.measure.fleet.loopback import fleet

    made: Device = fleet(_servers(), target)
    return made


@functools.cache
def _servers() -> Any:
    from tests.search.measure.fleet.loopback import Loopback

    made = Loopback()
    atexit.register(made.close)
    made.add(number=2)
    return made


def in_place_of_gpus(target: Target) -> Device:
    from tests.search.measure.cuda.stand_in import devices

    made: Device = devices(target)
    return made


DEVICES: dict[str, Maker] = {
    **{f"this CPU, {plan}": local(plan) for plan in ("TOGETHER", "PIPELINED", "IN_TURN", "JUST_IN_TIME")},
    "a fleet": behind_a_tracker,
    "two GPUs that this CPU stands in for": in_place_of_gpus,
}


@pytest.fixture(scope="module", params=list(DEVICES))
def device(request: pytest.FixtureRequest, target: Target) -> Iterator[Device]:
    with DEVICES[request.param](target) as made:
        yield made


def programs(*mods: Any) -> list[Any]:
    from search.measure.programs import program_of

    return [program_of(mod) for mod in mods]


def numbers_of(device: Device, *mods: Any, keep: bool = False) -> list[int]:
    return [build.number for build in device.build(programs(*mods), keep=keep)]


def test_it_works_and_knows_what_it_is(device: Device, target: Target) -> None:
    device.check()
    assert device.target == target
    assert device.hardware.hardware_id


def test_every_program_has_a_number_of_its_own_and_a_measurement(device: Device) -> None:
    first, second = (numbers_of(device, modules.matmul(64), modules.added()) for _ in range(2))
    assert len({*first, *second}) == 4
    measured = {one.number: one for one in device.run([*first, *second])}
    assert measured.keys() == {*first, *second}
    for one in measured.values():
        assert (one.outcome, one.error) == (Outcome.OK, "")
        assert len(one.run_secs) == 2
        assert all(0 < secs < 1 for secs in one.run_secs)


def test_a_program_that_does_not_build_costs_itself_only(device: Device) -> None:
    builds = device.build(programs(modules.threaded(), modules.matmul(64)))
    measured = {one.number: one for one in device.run([build.number for build in builds])}
    failed, good = (measured[build.number] for build in builds)
    assert failed.outcome is Outcome.COMPILE_ERROR
    assert failed.error
    assert failed.run_secs == ()
    assert good.outcome is Outcome.OK
    # What a build says at once is what its measurement says later.
    assert builds[0].outcome in (Outcome.OK, Outcome.COMPILE_ERROR)


def test_a_kept_program_says_at_once_whether_it_builds(device: Device) -> None:
    failed, good = device.build(programs(modules.threaded(), modules.matmul(64)), keep=True)
    assert failed.outcome is Outcome.COMPILE_ERROR
    assert failed.error
    assert good.outcome is Outcome.OK
    device.release([failed.number, good.number])


def test_a_kept_program_runs_until_it_is_released(device: Device) -> None:
    (number,) = numbers_of(device, modules.matmul(64), keep=True)
    for _ in range(2):
        (measured,) = device.run([number])
        assert measured.outcome is Outcome.OK
    device.release([number])
    device.release([number])  # does no harm
    with pytest.raises(UsageError):
        list(device.run([number]))


def test_other_programs_run_once(device: Device) -> None:
    (number,) = numbers_of(device, modules.matmul(64))
    assert [one.number for one in device.run([number])] == [number]
    with pytest.raises(UsageError):
        list(device.run([number]))


def test_the_caller_says_how_it_is_timed_and_when_one_run_is_enough(device: Device) -> None:
    (number,) = numbers_of(device, modules.matmul(64), keep=True)

    def runs(**options: Any) -> int:
        (measured,) = device.run([number], **options)
        assert isinstance(measured, Measurement)
        return len(measured.run_secs)

    timing = Timing(repeat=4, min_repeat_ms=1)
    assert runs(timing=timing) == 4
    assert runs(timing=timing, enough_secs=lambda: 1e-12) == 1
    assert runs(timing=timing, enough_secs=lambda: 10.0) == 4
    device.release([number])


def test_what_nobody_asked_further_for_can_still_be_run(device: Device) -> None:
    numbers = numbers_of(device, modules.matmul(64), modules.added())
    left = set(numbers)
    for measured in device.run(numbers):
        left.remove(measured.number)
        break
    assert len(left) == 1
    assert [one.outcome for one in device.run(sorted(left))] == [Outcome.OK]


def test_outputs_are_compared(device: Device) -> None:
    from tvm.s_tir import Schedule

    schedule = Schedule(modules.matmul(64))
    loops = schedule.get_loops(schedule.get_sblock("C"))
    schedule.reorder(loops[2], loops[0], loops[1])
    untuned, tuned, wrong = map(program_of, (modules.matmul(64), schedule.mod, modules.added()))
    found = device.compare(tuned, untuned)
    assert found.deviation < 1e-5
    assert 0 < found.secs < float("inf")
    assert device.compare(wrong, untuned).deviation > 0.1


def test_programs_that_cannot_be_compared_are_named(device: Device) -> None:
    good, failed = program_of(modules.matmul(64)), program_of(modules.threaded())
    with pytest.raises(MeasurementError):
        device.compare(failed, good)
    with pytest.raises(NoReferenceError):
        device.compare(good, failed)
    assert device.compare(good, good).deviation == 0.0, "the device goes on"


@pytest.mark.parametrize("name", list(DEVICES))
def test_a_closed_device_takes_nothing_and_closes_again(name: str, target: Target) -> None:
    made = DEVICES[name](target)
    made.close()
    made.close()
    with pytest.raises(MeasurementError):
        made.build(programs(modules.matmul(64)))
