"""How fast code searches find, and how soon, side by side on this machine: `python benchmarks/search_live.py WORK`.

Every arm tunes every workload with every seed on one core, each run in a process of its own; runs of the arms are
interleaved. Then the best schedules after 1, 8, 16, ... trials of all arms are built once more and measured in turn,
and all ratios are of these figures. WORK keeps finished runs: start again to go on. They are packed next to the report:
unpacked in another WORK, they are gone on from there, or reported anew.

The prior of "warm" is what ships with tunedb and the trials in data/, which hold none of the workloads; "family-out"
has a prior without the workload's operator family, and no store; "cold" has nothing. "es" is MetaSchedule's
evolutionary search with its XGBoost model, measured on our device as all others are; "stock" is
MetaSchedule as it comes, for the wall-clock. "warm-16" is "warm" with batches twice as large, for the time that the
strategy takes itself; "es-1000" is "es" with a thousand trials.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import live_report

from search.corpus import operators
from search.corpus.collect import read_spec
from search.measure.side_by_side import measure_side_by_side
from search.targets import local_target
from tunedb.identity import source
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named, this_machine
from tunedb.machine.kernels import ARITHMETIC
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Trace
from tunedb.store.opening import open_store

HERE = Path(__file__).resolve().parent
# Trials of each arm. Stock's own batches are of 64, ours of 8 in all arms that are not evolutionary.
ARMS = {
    "es": 128,
    "es-1000": 1000,
    "warm": 64,
    "warm-16": 64,
    "cold": 64,
    "family-out": 64,
    "predicted": 0,
    "es+model": 64,
    "random": 64,
    "tpe": 64,
    "index-bo": 64,
    "stock": 128,
}
AFTER = (1, 8, 16, 24, 32, 64, 128, 1000)
ROUNDS = 10


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for finished runs")
    parser.add_argument("--workloads", type=Path, default=HERE / "live_workloads.toml")
    parser.add_argument("--only", help="operators whose name has this")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--trials", type=int, help="of each arm, instead of its own number")
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search_live.json")
    parser.add_argument("--report-only", action="store_true", help="measure nothing; report what is finished")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    chosen.work.mkdir(parents=True, exist_ok=True)
    memory = chosen.work / "memory"
    if not memory.exists():
        with open_store(memory) as store:
            ingest(store, [HERE.parent / "data"], hardware=hardware_named("data"))
    spec = read_spec(chosen.workloads)
    workloads = [(row.operator, sizes) for row in spec.workloads for sizes in row.sizes]
    if not chosen.report_only:
        for seed in chosen.seeds:
            for operator, sizes in workloads:
                if chosen.only and chosen.only not in operator:
                    continue
                for arm in chosen.arms:
                    cell(chosen.work, memory, arm, operator, sizes, seed, chosen.trials)
                remeasure(chosen.work, operator, sizes, seed)
        measure_core(chosen.work, workloads)
    machine = {"cpu": this_machine().name, "target": local_target(num_cores=1).text}
    live_report.report(chosen.work, machine, ARMS, AFTER, chosen.out)
    with tarfile.open(chosen.out.with_suffix(".tar.xz"), "w:xz") as archive:
        for path in sorted(chosen.work.glob("*.json")):
            archive.add(path, path.name)


def path_of(work: Path, arm: str, operator: str, sizes: list[int], seed: int) -> Path:
    """Where a finished run lies."""
    return work / f"{operator}-{'x'.join(map(str, sizes))}-s{seed}-{arm}.json"


def cell(work: Path, memory: Path, arm: str, operator: str, sizes: list[int], seed: int, trials: int | None) -> None:
    """Makes one run, unless it is finished."""
    path = path_of(work, arm, operator, sizes, seed)
    if path.is_file():
        return
    command = [sys.executable, str(HERE / "live_cell.py"), "--arm", arm, "--operator", operator]
    command += ["--sizes", json.dumps(sizes), "--memory", str(memory), "--seed", str(seed)]
    command += ["--trials", str(trials or ARMS[arm] or 1)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{path.name}: failed\n{done.stderr[-2000:]}", flush=True)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    forget_traces(found["trials"])
    path.write_text(json.dumps({"arm": arm, "operator": operator, "sizes": sizes, "seed": seed, **found}))
    best = min((trial["secs"] for trial in found["trials"] if trial["secs"]), default=float("nan"))
    print(f"{path.stem:70} {best * 1e6:9.1f} us {found['elapsed_secs']:7.1f} s", flush=True)


def forget_traces(trials: list[dict[str, Any]]) -> None:
    """Keeps only the traces that may be measured again: of predictions, and of what was best when it came."""
    best = float("inf")
    for trial in trials:
        better = trial["secs"] < best if trial["secs"] else len(trials) == 1
        best = trial["secs"] if better and trial["secs"] else best
        trial["trace"] = trial["trace"] if better else None


def remeasure(work: Path, operator: str, sizes: list[int], seed: int) -> None:
    """Measures the best of every arm after so many trials again, in turn; adds to what was measured before."""
    import tvm

    path = path_of(work, "again", operator, sizes, seed)
    known: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    wanted: dict[str, Any] = {}
    for arm in ARMS:
        run = path_of(work, arm, operator, sizes, seed)
        if not run.is_file():
            continue
        trials = json.loads(run.read_text())["trials"]
        for number in AFTER:
            best = best_after(trials, number)
            if best is not None:
                wanted[json.dumps(best["trace"])] = best["trace"]
    if set(wanted) <= set(known):
        return
    _, module = workload_from_module(tvm.IRModule({"main": operators.prim_func(operator, sizes)}))
    traces = [Trace(*(json.dumps(part).encode() for part in trace)) for trace in wanted.values()]
    again = measure_side_by_side(module, traces, local_target(num_cores=1), ROUNDS)
    figures = {key: one.median_secs for key, one in zip(wanted, again, strict=True)}
    path.write_text(json.dumps(figures))


def measure_core(work: Path, workloads: list[tuple[str, list[int]]]) -> None:
    """Notes what the core can do, and what each workload asks for: where searches are alike, both may be at the end."""
    from tvm import IRModule
    from tvm.s_tir.analysis import estimate_tir_flops

    from search.measure.drift import Drift
    from search.measure.local import LocalCpu
    from search.measure.reference_kernels import ReferenceKernels

    with LocalCpu(local_target(num_cores=1)) as device:
        drift = Drift(ReferenceKernels(device), source("search_live", "tune", {}))
        for _ in range(ROUNDS):
            drift.measure()
    mods = {(op, tuple(sizes)): IRModule({"main": operators.prim_func(op, sizes)}) for op, sizes in workloads}
    flop = {f"{op}-{'x'.join(map(str, sizes))}": estimate_tir_flops(mod) for (op, sizes), mod in mods.items()}
    core = {"flop_per_sec": ARITHMETIC.work / drift.best_secs, "flop": flop}
    (work / "core.json").write_text(json.dumps(core))


def best_after(trials: list[dict[str, Any]], number: int) -> dict[str, Any] | None:
    """The fastest of the first trials; a prediction is what it is."""
    good = [trial for trial in trials[:number] if trial["secs"]]
    if good:
        return min(good, key=lambda trial: trial["secs"])
    return trials[0] if trials and len(trials) == 1 else None


if __name__ == "__main__":
    main()
