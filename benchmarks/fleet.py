"""How a fleet's trials a second grow with its servers: `python benchmarks/fleet.py --core 1 --json FILE`.

Tracker and servers are TVM's, on this machine. Programs do not compute but sleep, so that many servers can share a
core: service times are simulated, all else (sessions, sending, loading, the queue) is as it is. The share of the ideal
is the trials a second of N servers over N times those of one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from search.measure.device import Timing
from search.measure.fleet.fleet import Fleet, FleetOptions
from search.measure.fleet.tracker import Address, Tracker
from search.measure.programs import program_of
from search.targets import local_target
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.records import Outcome

_CALLS = 2  # of a program in a trial: one to warm up, one that is timed


def sleeping(milliseconds: int, number: int) -> Any:
    """A program that sleeps; the number makes it unlike others."""
    from tvm import te, tirx
    from tvm.ir import IRModule

    a = te.placeholder((1,), dtype="int32", name="a")
    slept = tirx.call_pure_extern("int32", "usleep", tirx.const(1000 * milliseconds, "int32"))
    result = te.compute((1,), lambda i: a[i] + slept + number, name="c")
    return IRModule({"main": te.create_prim_func([a, result]).with_attr("global_symbol", "main")})


def trials_per_sec(tracker: Address, trials: int, milliseconds: int) -> float:
    """Runs programs on all servers, once each is known; building them is not counted."""
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    with Fleet(target, FleetOptions(tracker, ("box",), timing=Timing(repeat=1, min_repeat_ms=0))) as device:
        device.check()
        for counted in (False, True):
            number = trials if counted else 2 * device.num_parallel
            builds = device.build([program_of(sleeping(milliseconds, one)) for one in range(number)])
            for build in builds:
                device._finish(device._find(build.number))
            started = time.perf_counter()
            found = list(device.run([build.number for build in builds]))
            secs = time.perf_counter() - started
            assert all(one.outcome is Outcome.OK for one in found), found
    return trials / secs


@contextlib.contextmanager
def servers(number: int) -> Any:
    """A tracker of TVM's with servers; gives its address."""
    tracker = Address("127.0.0.1", _free_port())
    processes = [_started("tvm.exec.rpc_tracker", tracker.port)]
    try:
        _wait(lambda: Tracker(tracker).servers(["box"]) == [])
        at = ["--tracker", str(tracker), "--key", "box"]
        processes += [_started("tvm.exec.rpc_server", _free_port(), *at) for _ in range(number)]
        _wait(lambda: len(Tracker(tracker).servers(["box"])) == number)
        yield tracker
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(module: str, port: int, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--port", str(port), "--port-end", str(port + 1)]
    none = subprocess.DEVNULL
    environment = {**os.environ, "TVM_BIND_THREADS": "0"}
    return subprocess.Popen([*command, *options], stdout=none, stderr=none, env=environment, start_new_session=True)


def _wait(is_there: Any) -> None:
    end = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError):
            if is_there():
                return
        if time.monotonic() > end:
            sys.exit("TVM's tracker or a server has not started")
        time.sleep(0.2)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--trials", type=int, default=24, help="for each server")
    parser.add_argument("--service-ms", type=int, default=500, help="of each call of a program")
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    found: dict[str, Any] = {
        "machine": this_machine().name,
        "is_simulated": True,
        "service_secs": _CALLS * chosen.service_ms / 1000,
        "trials_per_sec": {},
        "share_of_ideal": {},
    }
    print(f"{found['machine']}; simulated service times of about {found['service_secs']:g} s a trial")
    print(f"{'servers':>8} {'trials/s':>10} {'of ideal':>10}")
    for number in chosen.servers:
        with servers(number) as tracker:
            speed = trials_per_sec(tracker, number * chosen.trials, chosen.service_ms)
        found["trials_per_sec"][str(number)] = speed
        one = found["trials_per_sec"][str(chosen.servers[0])] / chosen.servers[0]
        found["share_of_ideal"][str(number)] = speed / (number * one)
        print(f"{number:>8} {speed:>10.2f} {speed / (number * one):>10.2f}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
