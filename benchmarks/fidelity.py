"""Is what is measured what users get? Stored schedules in fresh processes: `python -m benchmarks.fidelity --core 1`.

Each process draws its own address space, environment and stack, as a user's process does. Schedules of all families in
data/ are built and measured once in each; the spread of a schedule is the range of its latencies over their median.
`--unaligned` builds them as TVM does, without `tunedb.align_stack`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tunedb import open_store
from tunedb.machine.hardware import this_machine
from tunedb.records import Module, Outcome, Trace
from tunedb.store.contract import Store

ROOT = Path(__file__).parent.parent
BARS = {"median": 0.02, "90th percentile": 0.05, "worst": 0.10}
LEAST_SECS, MOST_SECS = 5e-6, 5e-3
ROUNDS = 3


def chosen(store: Store, number: int, seed: int) -> list[dict[str, Any]]:
    """Schedules of all families in turn, drawn among those that ran."""
    rng = np.random.default_rng(seed)
    of_family: dict[str, list[Any]] = defaultdict(list)
    for row in store.workloads():
        of_family[row.family].append(row)
    found: list[dict[str, Any]] = []
    while len(found) < number:
        for family in sorted(of_family):
            row = of_family[family][int(rng.integers(len(of_family[family])))]
            trials = [
                trial
                for trial in store.trials(row.workload_id)
                if trial.outcome is Outcome.OK and LEAST_SECS < min(trial.run_secs) < MOST_SECS
            ]
            if trials and len(found) < number:
                trial = trials[int(rng.integers(len(trials)))]
                module = store.module(trial.module_id)
                found.append(
                    {
                        "family": family,
                        "name": row.name,
                        "module": {**asdict(module), "module_json": module.module_json.decode()},
                        "trace": [trial.trace.instructions.decode(), trial.trace.decisions.decode()],
                    }
                )
    return found


def measure(path: Path, unaligned: bool) -> list[float | None]:
    """The latency of each schedule here, in this process; None where it cannot be built."""
    if unaligned:
        import tunedb.metaschedule.stack

        tunedb.metaschedule.stack.align_stack = lambda mod: mod
    from search.measure.device import Timing
    from search.measure.local import PATIENT, LocalCpu
    from search.measure.programs import program_of
    from search.targets import local_target
    from tunedb.metaschedule import intrinsics
    from tunedb.metaschedule.replay import schedule

    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    found: list[float | None] = []
    with LocalCpu(target, PATIENT) as device:
        for row in json.loads(path.read_text()):
            module = Module(**{**row["module"], "module_json": row["module"]["module_json"].encode()})
            trace = Trace(*(part.encode() for part in row["trace"]))
            try:
                (build,) = device.build([program_of(schedule(module, trace).mod)], keep=True)
                runs = [
                    min(one.run_secs)
                    for _ in range(ROUNDS)
                    for one in device.run([build.number], timing=Timing(repeat=3, min_repeat_ms=10))
                ]
                found.append(min(runs))
                device.release([build.number])
            except Exception as error:
                print(f"{row['name']}: {error}", file=sys.stderr)
                found.append(None)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=60)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--unaligned", action="store_true", help="build as TVM does")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.unaligned)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [Path(sys.executable).with_name("tunedb"), "ingest", ROOT / "data", "--store", folder / "store", "--quiet"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with open_store(str(folder / "store")) as store:
            rows = chosen(store, options.schedules, options.seed)
        path = folder / "schedules.json"
        path.write_text(json.dumps(rows))
        command = [sys.executable, "-m", "benchmarks.fidelity", "--measure", str(path)]
        command += ["--unaligned"] if options.unaligned else []
        columns = []
        for _ in range(options.processes):
            padding = "x" * secrets.randbelow(4096)  # an environment of another size
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PADDING": padding}
            )
            columns.append(json.loads(done.stdout.splitlines()[-1]))
    report(rows, columns, options)


def report(rows: list[dict[str, Any]], columns: list[list[float | None]], options: argparse.Namespace) -> None:
    """Prints the spreads, the worst first, and writes them."""
    measured = []
    for row, latencies in zip(rows, zip(*columns, strict=True), strict=True):
        secs = [one for one in latencies if one is not None]
        if len(secs) == len(latencies):
            spread = (max(secs) - min(secs)) / statistics.median(secs)
            measured.append({"family": row["family"], "name": row["name"], "secs": secs, "spread": spread})
    measured.sort(key=lambda one: -one["spread"])
    for one in measured:
        print(f"{one['spread']:7.1%}  {1e6 * statistics.median(one['secs']):9.1f} us  {one['name']}")
    spreads = [one["spread"] for one in measured]
    figures = {
        "median": statistics.median(spreads),
        "90th percentile": float(np.quantile(spreads, 0.9)),
        "worst": max(spreads),
    }
    print(f"\n{len(measured)} of {len(rows)} schedules in {len(columns)} processes each")
    for name, value in figures.items():
        print(f"{name:<16} {value:6.1%}  (to be {BARS[name]:.0%} at most)")
    if options.out:
        document = {
            "command": " ".join(["python -m benchmarks.fidelity", *sys.argv[1:]]),
            "machine": asdict(this_machine()),
            "aligned": not options.unaligned,
            "figures": figures,
            "schedules": measured,
        }
        options.out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
