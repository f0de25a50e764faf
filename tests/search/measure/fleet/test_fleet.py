"""A real tracker and real servers, some of which are killed. What every device does is in `test_device_conformance`."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from search.measure.device import Measurement
from tests.search.measure import modules
from tests.search.measure.fleet.loopback import Loopback, fleet, loopback
from tunedb.errors import MeasurementError, UnreachableError
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def two() -> Iterator[Loopback]:
    """A tracker and two servers, for tests that leave them as they are."""
    with loopback() as made:
        made.add(number=2)
        yield made


def handed_over(device: Any, *mods: Any, keep: bool = False) -> list[int]:
    from search.measure.programs import program_of

    return [build.number for build in device.build([program_of(mod) for mod in mods], keep=keep)]


def measured(device: Any, *mods: Any) -> dict[int, Measurement]:
    return {one.number: one for one in device.run(handed_over(device, *mods))}


def called(function: str) -> Any:
    """A program that calls a function of the C library."""
    from tvm import te, tirx

    a = te.placeholder((64, 64), name="a")
    return modules.of_operators(
        a, te.compute((64, 64), lambda i, j: tirx.call_pure_extern("float32", function, a[i, j]) + a[i, j], name="c")
    )


def slept(secs: int) -> Any:
    """A program that takes long without keeping a core busy."""
    from tvm import te, tirx

    a = te.placeholder((1,), dtype="int32", name="a")
    wait = tirx.call_pure_extern("int32", "sleep", tirx.const(secs, "int32"))
    return modules.of_operators(a, te.compute((1,), lambda i: a[i] + wait, name="c"))


def test_a_machine_behind_a_server_is_described_as_it_describes_itself(two: Loopback, target: Target) -> None:
    from tunedb.machine.hardware import this_machine

    with fleet(two, target) as device:
        assert device.hardware == this_machine()
        assert device.num_parallel == 2


def servers_of(device: Any, monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """The servers that a device has programs run by, from now on."""
    found, run = set(), device._measured

    def noting(*args: Any) -> Any:
        server, answers = run(*args)
        found.add(server)
        return server, answers

    monkeypatch.setattr(device, "_measured", noting)
    return found


def test_both_servers_take_part(two: Loopback, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet(two, target) as device:
        servers = servers_of(device, monkeypatch)
        found = measured(device, *[slept(1)] * 4)
    assert [one.outcome for one in found.values()] == [Outcome.OK] * 4
    assert {server.port for server in servers} == set(two.servers)


def test_a_run_that_hangs_is_cut_off_and_waiting_for_a_server_is_not(target: Target) -> None:
    with loopback() as at:
        at.add()
        with fleet(at, target, run_timeout_secs=3.0) as device:
            hung, *rest = handed_over(device, slept(60), slept(1), modules.matmul(64))
            found = {one.number: one for one in device.run([hung, *rest])}
    assert found[hung].outcome is Outcome.RUN_TIMEOUT
    assert "longer than 3 s" in found[hung].error
    assert [found[number].outcome for number in rest] == [Outcome.OK] * 2


def test_time_in_the_queue_is_no_time_out(target: Target) -> None:
    with loopback() as at:
        at.add()
        with (
            fleet(at, target) as other,
            fleet(at, target, run_timeout_secs=3.0, wait_secs=2.0) as device,
        ):
            device.check()
            first = threading.Thread(target=lambda: measured(other, slept(2)))
            first.start()
            found = measured(device, modules.matmul(64))
            first.join()
    assert [one.outcome for one in found.values()] == [Outcome.OK]


def test_a_killed_server_costs_a_retry_and_not_the_program(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    with loopback() as at:
        (port, _) = at.add(number=2)
        with fleet(at, target) as device, caplog.at_level(logging.WARNING):
            device.check()
            numbers = handed_over(device, *[slept(2)] * 4, keep=True)  # they are built by now
            killer = threading.Timer(4.0, at.kill, [port])
            killer.start()
            found = list(device.run(numbers))
            killer.join()
    assert sorted(one.number for one in found) == numbers
    assert [one.outcome for one in found] == [Outcome.OK] * 4
    assert "was lost while running a program, which another server runs" in caplog.text


def test_a_program_that_crashes_server_after_server_is_at_fault(target: Target) -> None:
    with loopback() as at:
        at.add(number=3)
        with fleet(at, target) as device:
            crashed, good = handed_over(device, called("abort"), modules.matmul(64))
            found = {one.number: one for one in device.run([crashed, good])}
    assert found[crashed].outcome is Outcome.RUN_ERROR
    assert "servers were lost while running it" in found[crashed].error
    assert found[good].outcome is Outcome.OK


def test_a_program_that_cannot_be_loaded_is_at_fault(two: Loopback, target: Target) -> None:
    with fleet(two, target) as device:
        missing, good = handed_over(device, called("nosuchfunction"), modules.matmul(64))
        found = {one.number: one for one in device.run([missing, good])}
    assert (found[missing].outcome, found[good].outcome) == (Outcome.RUN_ERROR, Outcome.OK)
    assert "nosuchfunction" in found[missing].error


def test_no_server_left_is_said_and_ends_in_order(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    with loopback() as at:
        (port,) = at.add()
        with fleet(at, target, wait_secs=2.0) as device, caplog.at_level(logging.WARNING):
            device.check()
            numbers = handed_over(device, modules.matmul(64), modules.added())
            at.kill(port)
            with pytest.raises(UnreachableError, match=r"has no server of key box, for .*--wait"):
                list(device.run(numbers))
            assert "waiting 2 s for one" in caplog.text
            at.add()
            assert [one.outcome for one in device.run(numbers)] == [Outcome.OK] * 2, "what was not run can still be"


def test_a_server_that_comes_in_time_is_waited_for(target: Target) -> None:
    with loopback() as at:
        (port,) = at.add()
        with fleet(at, target, wait_secs=60.0) as device:
            device.check()
            at.kill(port)
            later = threading.Timer(1.0, at.add)
            later.start()
            assert [one.outcome for one in measured(device, modules.matmul(64)).values()] == [Outcome.OK]
            later.join()


def test_no_tracker_is_an_error(target: Target) -> None:
    with loopback() as at:
        at.end_tracker()
        with (
            fleet(at, target, wait_secs=1.0) as device,
            pytest.raises(MeasurementError, match="tracker"),
        ):
            device.check()


def test_several_keys_are_used_at_once(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback() as at:
        at.add("one")
        at.add("other")
        with fleet(at, target, ("one", "other", "none")) as device:
            assert device.num_parallel == 2
            servers = servers_of(device, monkeypatch)
            found = measured(device, slept(1), slept(1))
        assert {server.port for server in servers} == set(at.servers)
    assert [one.outcome for one in found.values()] == [Outcome.OK] * 2


def test_a_server_that_cannot_run_the_target_s_code_is_said_so(two: Loopback) -> None:
    from search.measure.cross.architecture import linker_for
    from search.targets import parse_target

    other = parse_target('{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "num-cores": 1}')
    if linker_for(other) is None:
        pytest.skip("there is no cross compiler for AArch64 here")
    with fleet(two, other) as device, pytest.raises(MeasurementError, match="cannot run code for"):
        device.check()


def test_a_server_is_compared_with_the_fastest(two: Loopback, target: Target) -> None:
    with fleet(two, target) as device:
        (reference,) = handed_over(device, modules.matmul(64), keep=True)
        device.calibrate(reference)
        found = measured(device, *[modules.added()] * 4)
        drifts = [one.drift for one in found.values()]
        assert all(drift is not None and drift >= 1.0 for drift in drifts)


def test_whoever_is_not_on_loopback_is_warned(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    from search.measure.fleet.fleet import Fleet, FleetOptions
    from search.measure.fleet.tracker import Address

    with caplog.at_level(logging.WARNING):
        Fleet(target, FleetOptions(Address("192.0.2.1", 9190), ("box",))).close()
    assert "ask nobody who they are" in caplog.text


def test_servers_without_a_gpu_say_so_to_who_asks_for_one(two: Loopback) -> None:
    from search.targets import parse_target

    asked = r"cannot run code for .*sm_90a.*: .*it has no CUDA device"
    with fleet(two, parse_target("nvidia/nvidia-h100")) as device, pytest.raises(MeasurementError, match=asked):
        device.check()


def test_servers_of_other_keys_are_named(two: Loopback, target: Target) -> None:
    from search.measure.fleet.servers import Servers

    found = Servers(two.tracker, ["bx"], 0.2)
    with pytest.raises(UnreachableError, match=r"has no server of key bx \(it has servers of key box\)"):
        found.take(threading.Event())


def test_a_run_whose_servers_go_says_what_is_stored_and_goes_on(
    small_matmul: Any, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store, task = MemoryStore(), Task("small", small_matmul)

    def run(at: Loopback, **told: Any) -> Any:
        with fleet(at, target, wait_secs=1.0) as device:
            return tune([task], store=store, target=target, trials=10, check=False, device=device, **told)

    with loopback() as at, caplog.at_level(logging.WARNING):
        ports = at.add()
        with pytest.raises(UnreachableError, match=r"\d trials? stored, and the same command goes on from there"):
            run(at, on_trial=lambda _: ports and at.kill(ports.pop()))
        stored = len(list(store.trials(_workload_id(small_matmul))))
        assert 0 < stored < 10
        at.add()
        assert run(at).trials == 10 - stored
    assert f"the store has {stored} of the 10 trials of such a run" in caplog.text
    assert "this machine" not in caplog.text, "how busy this one is says nothing of those that measure"
    assert all("machine" not in source.detail for source in store.sources())


def _workload_id(mod: Any) -> str:
    from tunedb.metaschedule.replay import workload_from_module

    return workload_from_module(mod)[0].workload_id
