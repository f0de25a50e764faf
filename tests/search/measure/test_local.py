"""Real workers, and candidates that really fail. What every device does is in `test_device_conformance`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.measure.device import Device, Measurement, Timing
from tests.search.measure import modules
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm

SOON = Timing(repeat=2, min_repeat_ms=1)


def local(target: Target, **options: Any) -> Any:
    from search.measure.local import LocalCpu, LocalOptions

    return LocalCpu(target, LocalOptions(**{"timing": SOON, **options}))


@pytest.fixture
def just_in_time(target: Target) -> Iterator[Any]:
    from search.measure.local import Plan

    with local(target, plan=Plan.JUST_IN_TIME) as made:
        yield made


def handed_over(device: Device, *mods: Any) -> list[int]:
    from search.measure.programs import program_of

    return [build.number for build in device.build([program_of(mod) for mod in mods])]


def measured(device: Device, *mods: Any) -> list[Measurement]:
    return list(device.run(handed_over(device, *mods)))


def test_a_run_that_hangs_is_cut_off_and_the_next_one_works(target: Target) -> None:
    with local(target, run_timeout_secs=4.0) as device:
        hung, good = measured(device, modules.matmul(4096), modules.matmul(64))
    assert hung.outcome is Outcome.RUN_TIMEOUT
    assert "longer than 4 s" in hung.error
    assert (good.outcome, len(good.run_secs)) == (Outcome.OK, 2)


def test_a_run_that_crashes_costs_itself_only(target: Target) -> None:
    with local(target) as device:
        broken, good = handed_over(device, modules.matmul(64), modules.matmul(64))
        Path(device._known[broken].library).write_text("nothing that can be loaded")
        outcomes = {one.number: one.outcome for one in device.run([broken, good])}
    assert outcomes == {broken: Outcome.RUN_ERROR, good: Outcome.OK}


@pytest.mark.parametrize(
    ("function", "cause"),
    [("nosuchfunction", "nosuchfunction"), ("abort", "its process crashed (abort)")],
)
def test_a_program_that_kills_its_process_says_why(target: Target, function: str, cause: str) -> None:
    from tvm import te, tirx

    a = te.placeholder((64, 64), name="a")
    called = te.compute((64, 64), lambda i, j: tirx.call_pure_extern("float32", function, a[i, j]) + a[i, j], name="c")
    with local(target) as device:
        broken, good = measured(device, modules.of_operators(a, called), modules.matmul(64))
    assert (broken.outcome, good.outcome) == (Outcome.RUN_ERROR, Outcome.OK)
    assert cause in broken.error


def test_a_program_is_timed_with_warm_and_with_flushed_caches(device: Device) -> None:
    from search.measure.programs import program_of

    (build,) = device.build([program_of(modules.added())], keep=True)
    for flush in (False, True, False):  # benchmarks/flushed_caches.py says how much slower it is
        (one,) = device.run([build.number], timing=Timing(flush_cache=flush))
        assert (one.outcome, len(one.run_secs)) == (Outcome.OK, 3)
    device.release([build.number])


def test_programs_leave_nothing_behind_once_they_have_run(target: Target) -> None:
    with local(target) as device:
        folder = Path(device._folder.name)
        numbers = handed_over(device, modules.matmul(64), modules.added())
        assert len(list(folder.iterdir())) == 2
        assert [one.outcome for one in device.run(numbers)] == [Outcome.OK] * 2
        assert list(folder.iterdir()) == []
    assert not folder.exists()


@pytest.mark.parametrize("plan", ["PIPELINED", "IN_TURN", "JUST_IN_TIME"])
def test_a_plan_says_when_a_build_begins(target: Target, plan: str) -> None:
    from search.measure.local import Plan

    with local(target, plan=Plan[plan]) as device:
        number, other = handed_over(device, modules.matmul(64), modules.matmul(64))
        assert (device._known[other].building is not None) == (plan == "PIPELINED")
        assert device._known[number].build is None  # promised
        runs = device.run([number, other])
        assert next(runs).outcome is Outcome.OK
        assert (device._known[other].building is not None) == (plan == "PIPELINED")
        assert next(runs).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("cores_apart", "is_disturbed", "kind", "plan"),
    [
        (True, False, "llvm", "PIPELINED"),
        (True, True, "llvm", "JUST_IN_TIME"),
        (False, False, "llvm", "JUST_IN_TIME"),
        (False, False, "c", "IN_TURN"),
    ],
)
def test_the_plan_is_chosen_once_by_what_disturbs_what(
    cores_apart: bool, is_disturbed: bool, kind: str, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.measure import local as module
    from search.measure.placement import Placement
    from tunedb.identity import canonical_target

    core = min(os.sched_getaffinity(0))
    placement = Placement((core,), (core,)) if cores_apart else Placement()
    monkeypatch.setattr(module.LocalCpu, "_is_disturbed", lambda *_: is_disturbed)
    with local(canonical_target({"kind": kind, "num-cores": 1}), placement=placement) as device:
        assert device.plan is module.Plan.TOGETHER
        device.calibrate(0)
        assert device.plan is module.Plan[plan]
    with local(canonical_target({"kind": kind, "num-cores": 1}), plan=module.Plan.TOGETHER) as told:
        told.calibrate(0)
        assert told.plan is module.Plan.TOGETHER


def test_a_busy_build_worker_is_tried_out(target: Target) -> None:
    """It builds and runs; what comes of it is the machine's affair."""
    from search.measure.placement import Placement
    from search.measure.programs import program_of

    core = min(os.sched_getaffinity(0))
    with local(target, placement=Placement((core,), (core,))) as device:
        (build,) = device.build([program_of(modules.matmul(64))], keep=True)
        device.calibrate(build.number)
        assert device.plan.name in ("PIPELINED", "JUST_IN_TIME")


def test_what_is_compiled_just_in_time_is_run_in_that_process_and_fails_alone(just_in_time: Any) -> None:
    device, pool = just_in_time, just_in_time._runner
    assert measured(device, modules.matmul(64))[0].outcome is Outcome.OK
    first = pool.submit(os.getpid).result()
    (worker,) = pool._worker_map.values()
    worker._remaining_uses = 1  # it would be replaced after compiling, and before running what it compiled
    (good,) = measured(device, modules.matmul(64))
    assert len(good.run_secs) == 2
    assert pool.submit(os.getpid).result() != first
    # A compilation that takes too long is one, and no run.
    device._build_limit.most_secs = 0.001
    (slow,) = measured(device, modules.matmul(64))
    device._build_limit.most_secs = 15.0
    (good,) = measured(device, modules.matmul(64))
    assert slow.outcome is Outcome.COMPILE_TIMEOUT
    assert "longer than 0.001 s" in slow.error
    assert (good.outcome, len(good.run_secs)) == (Outcome.OK, 2)


def test_what_calls_a_library_is_measured_as_it_will_be_linked(just_in_time: Any) -> None:
    from tvm import tirx

    for function, is_linked in ((tirx.exp, True), (tirx.sqrt, False)):
        (number,) = handed_over(just_in_time, modules.applied(function))
        built = just_in_time._known[number]
        (one,) = just_in_time.run([number])
        assert len(one.run_secs) == 2
        assert built.building.is_linked == is_linked


def test_a_build_is_given_many_times_what_builds_take(target: Target) -> None:
    with local(target) as device:
        before = device._build_limit.secs
        handed_over(device, *[modules.matmul(64)] * 7)
        assert device._build_limit.secs == before  # too few to tell
        handed_over(device, modules.matmul(64))
        assert 4.0 <= device._build_limit.secs <= before
        device._build_limit._took = [0.01] * 20
        handed_over(device, modules.matmul(64))
        assert device._build_limit.secs == 4.0
        device._build_limit._took = [60.0] * 20
        handed_over(device, modules.matmul(64))
        assert device._build_limit.secs == before  # no longer than what it was asked for


def test_a_worker_that_is_killed_is_followed_by_another(target: Target) -> None:
    from search.measure import zygote

    device = local(target)
    pool = device._runner
    first = pool.submit(os.getpid).result()
    assert first != os.getpid()
    assert pool.submit(os.getpid).result() == first
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ChildProcessError):
        pool.submit(os.getpid).result()
    second = pool.submit(os.getpid).result()
    assert second != first
    # So is the process that they are forks of.
    parent = zygote._ZYGOTE._process
    assert parent is not None
    parent.kill()
    parent.wait()
    other = local(target)
    assert other._runner.submit(os.getpid).result() not in (first, second)
    assert pool.submit(os.getpid).result() == second  # which lives on
    other.close()
    device.close()
    ended = time.monotonic() + 5.0
    while time.monotonic() < ended and Path(f"/proc/{second}").exists():
        time.sleep(0.01)
    assert not Path(f"/proc/{second}").exists()


@pytest.mark.parametrize("has_threads", [False, True])
def test_a_process_without_threads_forks_what_workers_are_forks_of(has_threads: bool) -> None:
    script = f"""
import os, threading
from search.measure import zygote
stop = threading.Event()
if {has_threads}:
    threading.Thread(target=stop.wait).start()
zygote.prepare()
made = zygote._ZYGOTE._process
assert (made is None) == {has_threads}
pool = zygote.ForkedPool(max_workers=1, timeout=30)
process = zygote._ZYGOTE._process
assert pool.submit(os.getppid).result() == process.pid
assert made in (None, process)
zygote._ZYGOTE.close()
assert not os.path.exists(f"/proc/{{process.pid}}")  # nor is it left as a zombie
stop.set()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_cores_are_shared_out() -> None:
    from search.measure.placement import place

    available = os.sched_getaffinity(0)
    assert not place(len(available)).is_apart  # none left to build on
    assert not place(len(available) // 2 + 1).is_apart  # fewer than it measures on
    if len(available) > 1:
        found = place(1)
        assert found.is_apart
        assert set(found.measuring) | set(found.building) <= available
        assert not set(found.measuring) & set(found.building)


def test_workers_stay_on_their_cores(target: Target) -> None:
    from search.measure.placement import Placement

    core = min(os.sched_getaffinity(0))
    with local(target, placement=Placement(measuring=(core,))) as device:
        assert device._runner.submit(os.sched_getaffinity, 0).result() == {core}
