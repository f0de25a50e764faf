"""tunedb agent, as a real command beside a real tracker; what its server does is in `tests/search/measure/fleet`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.search.measure.fleet.loopback import free_port, loopback
from tests.search.measure.fleet.test_serving import wait_for
from tunedb.machine.hardware import this_machine
from tunedb.machine.kernels import ARITHMETIC
from tunedb.records import Outcome
from tunedb.store.opening import open_store

pytestmark = pytest.mark.tvm

TUNEDB = Path(sys.executable).with_name("tunedb")


def test_a_machine_is_registered_and_served_until_a_signal(tmp_path: Path) -> None:
    store = tmp_path / "store"
    log = tmp_path / "log"
    with loopback() as at, log.open("w") as told:
        command = [TUNEDB, "agent", "--rpc-tracker", str(at.address), "--rpc-key", "box", "--port", str(free_port())]
        agent = subprocess.Popen([*command, "--store", store, "--json"], stdout=subprocess.PIPE, stderr=told, text=True)
        try:
            wait_for(lambda: "serving as box" in log.read_text() or agent.poll() is not None)
            assert at.tracker.servers(["box"])
            agent.send_signal(signal.SIGTERM)
            printed, _ = agent.communicate(timeout=300)
        finally:
            agent.kill()
        wait_for(lambda: not at.tracker.servers(["box"]))
    noted = log.read_text()
    assert agent.returncode == 130, noted
    from search.targets import local_target

    machine = this_machine()
    assert json.loads(printed) == {
        "key": "box",
        "hardware": machine.name,
        "hardware_id": machine.hardware_id,
        "target": local_target().text,
        "restarts": 0,
    }
    assert f"serving as box at the tracker {at.address}" in noted
    assert f"--target '{local_target().text}'" in noted
    assert "Traceback" not in noted
    with open_store(store) as kept:
        (trial,) = kept.trials(ARITHMETIC.workload_id)
    assert (trial.hardware_id, trial.outcome) == (machine.hardware_id, Outcome.OK)


def test_a_time_limit_is_no_failure(tmp_path: Path, run: Run) -> None:
    with loopback() as at:
        given = ["--rpc-tracker", at.address, "--rpc-key", "box", "--port", free_port(), "--no-register"]
        result = run("agent", *given, "--time-limit", "1", "--store", tmp_path / "store")
    assert result.exit_code == 0, result.stderr
    assert "served as box" in result.stdout
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "give --rpc-tracker HOST:PORT and --rpc-key"),
        (["--rpc-tracker", "lab"], "a tracker is HOST:PORT"),
        (["--rpc-tracker", "127.0.0.1:1", "--cores", "3-1"], "cores are a list"),
        (["--rpc-tracker", "127.0.0.1:1", "--cores", "99999"], "core 99999"),
    ],
)
def test_what_makes_no_sense_is_named(run: Run, given: list[str], told: str) -> None:
    result = run("agent", *given, "--rpc-key", "box")
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--rpc-key", "box"], "give --rpc-tracker"),
        (["--rpc-tracker", "127.0.0.1:1"], "give --rpc-key"),
        (["--rpc-tracker", "127.0.0.1:1", "--rpc-key", "box"], "give --target"),
        (["--cores", "99999"], "core 99999"),
    ],
)
def test_a_fleet_that_is_not_whole_is_refused(run: Run, tmp_path: Path, given: list[str], told: str) -> None:
    result = run("tune", "examples/workloads.py:small_matmul", *given, "--store", tmp_path / "store")
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "store").exists(), "nothing is begun"
