"""The server of an agent: what crashes in it, or it itself, costs no more than that."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from search.measure.fleet.serving import Agent, ServerOptions
from search.measure.fleet.tracker import Address
from tests.search.measure import modules
from tests.search.measure.fleet.loopback import Loopback, fleet, free_port, loopback
from tests.search.measure.fleet.test_fleet import called, handed_over
from tunedb.errors import MeasurementError
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm


@contextmanager
def serving(at: Loopback, **options: Any) -> Iterator[list[str]]:
    """An agent at work; gives what it says."""
    notes: list[str] = []
    stop = threading.Event()
    port = free_port()
    agent = Agent(ServerOptions(at.address, "box", port=port, port_end=port + 1, **options), notes.append)
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: len(at.tracker.servers(["box"])) == 1)
        yield notes
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()


def wait_for(is_there: Any, secs: float = 300) -> None:
    end = time.monotonic() + secs
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.1)


def servers() -> list[psutil.Process]:
    """The processes that this process has started to serve."""
    return [
        one
        for one in psutil.Process().children()
        if any("fleet.serving import serve" in word for word in one.cmdline())
    ]


def test_a_program_that_crashes_costs_itself_only(target: Target) -> None:
    with loopback() as at, serving(at) as notes, fleet(at, target) as device:
        crashed, good = handed_over(device, called("abort"), modules.matmul(64))
        found = {one.number: one for one in device.run([crashed, good])}
        assert (found[crashed].outcome, found[good].outcome) == (Outcome.RUN_ERROR, Outcome.OK)
        assert "its process crashed on the server" in found[crashed].error
    assert not any("started again" in note for note in notes)


def test_a_server_that_dies_is_started_again(target: Target) -> None:
    with loopback() as at, serving(at) as notes, fleet(at, target) as device:
        (server,) = servers()
        os.killpg(server.pid, signal.SIGKILL)
        wait_for(lambda: any("started again" in note for note in notes))
        (number,) = handed_over(device, modules.matmul(64))
        assert [one.outcome for one in device.run([number])] == [Outcome.OK]
        (other,) = servers()
        assert other.pid != server.pid
    assert servers() == []


def test_cores_are_kept_to(target: Target) -> None:
    (core, *_) = sorted(os.sched_getaffinity(0))
    with loopback() as at, serving(at, cores=(core,)):
        (server,) = servers()
        assert server.cpu_affinity() == [core]


def test_a_port_that_is_taken_is_an_error(target: Target) -> None:
    with loopback() as at:
        agent = Agent(ServerOptions(at.address, "box", port=at.address.port, port_end=at.address.port + 1), print)
        with pytest.raises(MeasurementError, match="are taken"):
            agent.run(threading.Event())


def test_a_tracker_that_comes_and_goes_is_said(target: Target) -> None:
    notes: list[str] = []
    stop = threading.Event()
    nobody = Address("127.0.0.1", free_port())
    port = free_port()
    agent = Agent(ServerOptions(nobody, "box", port=port, port_end=port + 1), notes.append)
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    wait_for(lambda: notes)
    assert "no tracker answers" in notes[0]
    assert "waited for" in notes[0]
    with loopback(nobody.port) as at:
        wait_for(lambda: len(notes) > 1)
        assert notes[1] == f"serving as box at the tracker {at.address}"
    wait_for(lambda: len(notes) > 2)
    assert "waited for" in notes[2]
    stop.set()
    thread.join(120)
    assert not thread.is_alive()
