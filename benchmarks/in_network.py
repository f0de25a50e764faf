"""Do the store's latencies hold in a network? `python -m benchmarks.in_network --core 0`.

Networks are compiled, from an empty store and what ships, and run with a clock at each program. Then the ordinary
runner measures the same schedules alone, under each of these conditions:

- hot: called over and over, as tuning does by default;
- half: the first argument stays in the caches, the others are flushed (`--flush-cache`);
- cold: 64 MiB are read between two calls;
- inputs: as many bytes are read as the network has weights and its programs write, then the inputs are written;
- network: the same, and before the inputs the output's memory is written, which was another program's.

For each condition: the median and the 90th percentile over programs of |log (alone / in the network)|, and the sum of
all calls over the network's own latency. `--keep FOLDER` keeps what was compiled for another run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import MODELS, write
from search.measure.between import Between
from search.measure.device import Device, Timing
from search.measure.local import PATIENT, LocalCpu
from search.measure.programs import program_of, scheduled_program
from search.networks.arrays import random_arrays
from search.networks.compiling import compile_network
from search.networks.importing import import_file
from search.networks.lowering import Layout, lower
from search.networks.runtime import Library
from search.targets import local_target
from search.work import traffic_bytes
from tunedb import open_store
from tunedb.machine.hardware import this_machine
from tunedb.records import Target, Trace

BARS = {"median": 0.05, "90th percentile": 0.15, "sum": 0.05}
RUNS, ROUNDS = 31, 2
SHARE = 0.01  # of the network's time, that a heavy program takes more than


def conditions(moved_bytes: int) -> dict[str, Timing]:
    """How programs of a network are timed alone."""
    return {
        "hot": Timing(),
        "half": Timing(repeat=9, flush_cache=True),
        "cold": Timing(between=Between(64 << 20, writes_inputs=False)),
        "inputs": Timing(between=Between(moved_bytes, had_output=False)),
        "network": Timing(between=Between(moved_bytes)),
    }


def made(model: Path, target: Target, folder: Path) -> Path:
    """A library of a network, and beside it the traces of its schedules by task."""
    library, traces = folder / f"{model.stem}.so", folder / f"{model.stem}.json"
    if not traces.exists():
        with open_store("memory:") as store, LocalCpu(target, PATIENT) as device:
            done = compile_network(import_file(model), library, store=store, target=target, device=device)
        found = {
            one.task.name: one.trace and [one.trace.instructions.decode(), one.trace.decisions.decode()]
            for one in done.programs
        }
        traces.write_text(json.dumps(found))
    return library


def in_network(library: Library) -> tuple[dict[str, tuple[int, float]], float, float]:
    """How often a run calls each task's program and what a call takes; what the rest takes; the whole, by no clock.

    The least of all runs counts everywhere, as in the store.
    """
    tensors = library.prepared(random_arrays(library.manifest.inputs, 1))
    library.call(tensors)
    least: dict[str, tuple[int, float]] = {}
    whole = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        library.call(tensors)
        whole = min(whole, time.perf_counter() - started)
        for function, (number, secs) in library.profile(tensors, 1).items():
            least[function] = number, min(secs, least.get(function, (0, secs))[1])
    task_of = {function: one.name for one in library.manifest.programs for function in one.functions}
    calls: dict[str, tuple[int, float]] = {}
    for function, (number, secs) in least.items():
        if function in task_of:
            before, so_far = calls.get(task_of[function], (0, 0.0))
            calls[task_of[function]] = before + number, so_far + secs
    rest = sum(secs for function, (_, secs) in least.items() if function not in task_of)
    return {task: (number, secs / number) for task, (number, secs) in calls.items()}, rest, whole


def alone(model: Path, library: Library, target: Target, device: Device) -> dict[str, dict[str, float]]:
    """What the runner says of each task's schedule under each condition: the least run time, as the store has it."""
    traces = json.loads(model.with_suffix(".json").read_text())
    lowered = lower(import_file(model), target, Layout(library.manifest.layout))
    timings = conditions(traffic_bytes(lowered.tasks))
    found: dict[str, dict[str, float]] = {}
    for task in lowered.tasks:
        trace = traces[task.name]
        program = (
            program_of(task.mod)
            if trace is None
            else scheduled_program(task.mod, Trace(*(part.encode() for part in trace)))
        )
        (build,) = device.build([program], keep=True)
        found[task.name] = {
            name: min(min(one.run_secs) for _ in range(ROUNDS) for one in device.run([build.number], timing=timing))
            for name, timing in timings.items()
        }
        device.release([build.number])
    return found


def figures(
    calls: Mapping[str, tuple[int, float]], secs: Mapping[str, Mapping[str, float]], rest: float, whole: float
) -> dict[str, dict[str, float]]:
    """By condition: how far what is measured alone is from what is measured in the network."""
    found = {}
    for name in next(iter(secs.values())):
        logs = {task: abs(math.log(secs[task][name] / inside)) for task, (_, inside) in calls.items()}
        heavy = [logs[task] for task, (number, inside) in calls.items() if number * inside > SHARE * whole]
        total = rest + sum(number * secs[task][name] for task, (number, _) in calls.items())
        found[name] = {
            "median": statistics.median(logs.values()),
            "90th percentile": float(np.quantile(list(logs.values()), 0.9)),
            "median of the heavy": statistics.median(heavy),
            "90th percentile of the heavy": float(np.quantile(heavy, 0.9)),
            "sum": total / whole - 1,
        }
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["resnet18", "mobilenetv2", "bert-tiny"])
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--keep", type=Path, help="of libraries and traces, made if they are not there")
    parser.add_argument("--compile", action="store_true", help="compile what is to be kept, and measure nothing")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    os.environ["TVM_NUM_THREADS"] = "1"
    target = local_target(num_cores=1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        for model in options.models:
            path = write(model, folder)
            library = made(path, target, folder)
            if not options.compile:
                rows.append(measured(path, Library(library), target))
    if options.out and rows:
        document = {
            "command": " ".join(["python -m benchmarks.in_network", *_told(sys.argv[1:])]),
            "machine": asdict(this_machine()),
            "bars": BARS,
            "networks": rows,
        }
        options.out.write_text(json.dumps(document, indent=2) + "\n")


def measured(path: Path, library: Library, target: Target) -> dict[str, Any]:
    """A row of one network, printed."""
    with LocalCpu(target, PATIENT) as device:
        secs = alone(path, library, target, device)
    calls, rest, whole = in_network(library)
    found = figures(calls, secs, rest, whole)
    print(f"\n{path.stem}: {1e3 * whole:.3f} ms, {len(calls)} programs")
    for condition, one in found.items():
        print(f"  {condition:<8}", ", ".join(f"{name} {value:+.1%}" for name, value in one.items()), flush=True)
    return {
        "network": path.stem,
        "secs": whole,
        "rest_secs": rest,
        "figures": found,
        "programs": [
            {"task": task, "calls": number, "in_network_secs": inside, "alone_secs": secs[task]}
            for task, (number, inside) in calls.items()
        ],
    }


def _told(arguments: list[str]) -> list[str]:
    """The command's arguments, without the folder in which something was kept."""
    place = arguments.index("--keep") if "--keep" in arguments else len(arguments)
    return arguments[:place] + arguments[place + 2 :]


if __name__ == "__main__":
    main()
