"""Several tuning processes on one store, killed at random: `python benchmarks/leases.py --core 1 --json FILE`.

Each process tunes the same workload, and says which trials are stored. Some are killed at random moments, and others
begin in their places. In the end each trial that was said to be stored must be there, and no schedule may have been
measured twice. Then it is measured what a lease costs, beside a commit of the store for each batch.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunedb.identity import trace_id
from tunedb.machine.hardware import this_machine
from tunedb.store.leases import ArtifactLeases
from tunedb.store.opening import open_store

_BATCH = 8
_REPEATS = 40


class Tuner:
    """A tuning process."""

    def __init__(self, url: str, seed: int, trials: int) -> None:
        command = [sys.executable, __file__, "--child", url, "--seed", str(seed), "--trials", str(trials)]
        self.stored: list[str] = []  # ids of the trials that it said were stored
        self.was_killed = False
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.stored.append(line.strip())

    def has_ended(self) -> bool:
        """Whether it runs no longer."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        self._process.kill()
        self.was_killed = True

    def join(self) -> int:
        """Waits for its end and for all that it said; gives its exit status."""
        code = self._process.wait()
        self._reader.join()
        return code


def tune(url: str, seed: int, trials: int) -> None:
    """What a tuning process does."""
    from search.metaschedule import measuring  # noqa: F401 - imports TVM before the store has threads
    from search.targets import local_target
    from search.task import Task
    from search.tune import tune as run
    from tunedb.metaschedule import intrinsics

    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(te_workload.matmul(64, 64, 64)).with_attr("global_symbol", "main")
    with open_store(url) as store:
        run(
            [Task("matmul", IRModule({"main": function}))],
            store=store,
            target=target,
            trials=trials,
            seed=seed,
            check=False,
            on_trial=lambda event: print(event.trial_id, flush=True),
        )


def crowd(url: str, number: int, trials: int, kills: int, seed: int) -> dict[str, Any]:
    """Lets tuning processes work on a store, kills some, and says what came of it."""
    rng = random.Random(seed)
    open_store(url).close()
    started, next_seed = time.monotonic(), number
    running = [Tuner(url, one, trials) for one in range(number)]
    everybody = list(running)
    killed = 0
    while any(not one.has_ended() for one in running):
        time.sleep(rng.uniform(1.0, 4.0))
        busy = [one for one in running if not one.has_ended() and one.stored]
        if killed < kills and busy:
            victim = rng.choice(busy)
            victim.kill()
            killed += 1
            running.remove(victim)
            running.append(Tuner(url, next_seed, trials))
            everybody.append(running[-1])
            next_seed += 1
    failed = sum(one.join() != 0 and not one.was_killed for one in everybody)
    with open_store(url) as store:
        there = [trial for workload in store.workloads() for trial in store.trials(workload.workload_id)]
    told = {one for each in everybody for one in each.stored}
    schedules = Counter((trial.workload_id, trace_id(trial.trace)) for trial in there)
    return {
        "tuners": number,
        "killed": killed,
        "failed": failed,
        "trials": len(there),
        "told_as_stored": len(told),
        "lost": len(told - {trial.trial_id for trial in there}),
        "measured_twice": sum(times - 1 for times in schedules.values()),
        "elapsed_secs": round(time.monotonic() - started, 1),
    }


def costs(folder: str, number: int) -> dict[str, float]:
    """What a batch of leases costs among as many holders, and what a commit of the store would, in seconds."""
    from tunedb.records import Source

    with open_store(f"{folder}/costs") as store:
        leases = ArtifactLeases(store.artifacts)
        for other in range(number - 1):
            leases.claim(f"other{other}", [f"{other}-{key}" for key in range(_BATCH)], 600)
        leased, committed = [], []
        for turn in range(_REPEATS):
            started = time.perf_counter()
            leases.claim("mine", [f"mine-{turn}-{key}" for key in range(_BATCH)], 600)
            leases.release("mine")
            leased.append(time.perf_counter() - started)
            started = time.perf_counter()
            store.append([], sources=[Source(f"{turn:032x}", f"lease:{turn}", "lease")])
            committed.append(time.perf_counter() - started)
    return {"lease_secs": statistics.median(leased), "commit_secs": statistics.median(committed)}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tuners", type=int, default=8)
    parser.add_argument("--trials", type=int, default=12, help="of each process")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        tune(chosen.child, chosen.seed, chosen.trials)
        return
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {
            "machine": this_machine().name,
            "tunedb": version("tunedb"),
            **crowd(f"{folder}/store", chosen.tuners, chosen.trials, chosen.kills, chosen.seed),
            **costs(folder, chosen.tuners),
        }
    for name, value in found.items():
        print(f"{name:16} {value}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    if found["lost"] or found["measured_twice"] or found["failed"]:
        sys.exit("trials were lost, or measured twice")


if __name__ == "__main__":
    main()
