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
REPEAT, ROUNDS = 3, 3


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


def build(rows: list[dict[str, Any]], folder: Path, unaligned: bool) -> None:
    """Builds and links each schedule once; rows get its "library" and "args", unless it cannot be built."""
    if unaligned:
        import tunedb.metaschedule.stack

        tunedb.metaschedule.stack.align_stack = lambda mod: mod
    from tvm.ir import save_json

    from search.measure import workers
    from search.measure.programs import program_of
    from search.targets import local_target
    from tunedb.metaschedule import intrinsics
    from tunedb.metaschedule.replay import schedule, target_to_tvm

    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    for number, row in enumerate(rows):
        module = Module(**{**row["module"], "module_json": row["module"]["module_json"].encode()})
        trace = Trace(*(part.encode() for part in row["trace"]))
        try:
            program = program_of(schedule(module, trace).mod)
            made = workers.built_module(save_json(program.mod), str(target_to_tvm(target)))
            library = folder / f"{number}.so"
            made.export_library(str(library))
            row["library"], row["args"] = str(library), program.args_info
        except Exception as error:
            print(f"{row['name']}: {error}", file=sys.stderr)


def measure(path: Path, seed: int) -> list[float | None]:
    """The latency of each schedule here, in this process, as a worker measures it; None where it cannot be built."""
    from search.measure import workers

    rows = json.loads(path.read_text())
    rng = np.random.default_rng(seed)
    runs: list[list[float]] = [[] for _ in rows]
    for _ in range(ROUNDS):  # spread over time, as where the best of a search are confirmed
        for place in rng.permutation(len(rows)):  # what was allocated before differs
            if "library" in rows[place]:
                args = tuple(rows[place]["args"])
                runs[place] += workers.run(rows[place]["library"], "cpu", args, REPEAT, 10)
    return [min(secs) if secs else None for secs in runs]


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
    parser.add_argument("--keep", type=Path, help="of what is built, made if it is not there")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.seed)))
        return
    os.environ["TVM_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        path = (options.keep or Path(name)) / "schedules.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            prepare(path, options)
        rows = json.loads(path.read_text())
        columns = []
        for number in range(options.processes):
            padding = "x" * secrets.randbelow(4096)  # an environment of another size
            command = [sys.executable, "-m", "benchmarks.fidelity", "--measure", str(path), "--seed", str(number)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PADDING": padding}
            )
            columns.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"process {number + 1} of {options.processes}", file=sys.stderr, flush=True)
    report(rows, columns, options)


def prepare(path: Path, options: argparse.Namespace) -> None:
    """Chooses schedules and builds them; what was built stands beside the file that says so."""
    with tempfile.TemporaryDirectory() as name:
        store_path = Path(name) / "store"
        command = [sys.executable, "-m", "cli.main", "ingest", ROOT / "data", "--store", store_path, "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        with open_store(str(store_path)) as store:
            rows = chosen(store, options.schedules, options.seed)
    build(rows, path.parent, options.unaligned)
    path.write_text(json.dumps(rows))


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
            "command": " ".join(["python -m benchmarks.fidelity", *_told(sys.argv[1:])]),
            "machine": asdict(this_machine()),
            "aligned": not options.unaligned,
            "figures": figures,
            "schedules": measured,
        }
        options.out.write_text(json.dumps(document, indent=2) + "\n")


def _told(arguments: list[str]) -> list[str]:
    """The command's arguments, without the folder in which something was kept."""
    place = arguments.index("--keep") if "--keep" in arguments else len(arguments)
    return arguments[:place] + arguments[place + 2 :]


if __name__ == "__main__":
    main()
