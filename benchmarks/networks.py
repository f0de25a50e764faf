"""Whole networks: tunedb's libraries beside ONNX Runtime and, where they are installed, OpenVINO and Inductor.

    python -m benchmarks.networks --core 0 --trials 0 200 --seeds 0 1 2 --out benchmarks/results/networks.json

Each network is compiled by `tunedb compile`, as a user would, from an empty store and what ships; with trials, `tunedb
tune` runs before. Then all run in turn on the same inputs, in one process on one core, and medians of ratios count.
Losses stand first.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from benchmarks.models import MODELS, write
from benchmarks.torch_graph import inductor
from search.networks.arrays import random_arrays
from search.networks.benchmark import OURS
from search.networks.importing import import_file
from search.networks.rivals import Run, rivals
from search.networks.runtime import Library
from search.networks.turns import REST_SECS, in_turn
from search.targets import local_target
from tunedb.machine.hardware import this_machine

TUNEDB = Path(sys.executable).with_name("tunedb")
ROUNDS = 15


def made(path: Path, trials: int, seed: int, target: str, folder: Path, caches: str | None) -> tuple[Path, float]:
    """A library from an empty store, and the seconds that it took."""
    name = f"{path.stem}-{trials}-{seed}-{caches}"
    library = folder / f"{name}.so"
    common = ["--store", str(folder / f"store-{name}"), "--target", target, "--seed", str(seed)]
    started = time.perf_counter()
    if trials:
        how = [] if caches is None else ["--caches", caches]
        subprocess.run(
            [TUNEDB, "tune", path, "--trials", str(trials), *how, "--quiet", *common],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    subprocess.run([TUNEDB, "compile", path, "-o", library, "--quiet", *common], check=True, stdout=subprocess.DEVNULL)
    return library, time.perf_counter() - started


def others(path: Path, inputs: Mapping[str, Any], threads: int) -> dict[str, Run]:
    """The other runtimes that are installed."""
    found = rivals(import_file(path), inputs, threads)
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(threads)
        try:
            found[f"Inductor {torch.__version__}"] = inductor(onnx.load(path), inputs)
        except KeyError as error:
            print(f"{path.stem}: no {error} for Inductor")
    return found


def run(*arguments: object) -> None:
    """The command, as a user would type it."""
    subprocess.run([TUNEDB, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def measured(
    path: Path, budgets: Sequence[int], seeds: Sequence[int], threads: int, rounds: int, caches: str | None = None
) -> list[dict[str, Any]]:
    """A row for each budget and seed of one network."""
    target = json.dumps({"kind": "llvm", "mcpu": local_target().arch, "num-cores": threads})
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for trials in budgets:
            for seed in seeds:
                library, secs = made(path, trials, seed, target, folder, caches)
                loaded = Library(library)
                inputs = random_arrays(loaded.manifest.inputs, seed=1)
                tensors = loaded.prepared(inputs)
                ours: dict[str, Run] = {OURS: lambda loaded=loaded, tensors=tensors: loaded.call(tensors)}
                runs = {**ours, **others(path, inputs, threads)}
                found = in_turn(runs, rounds, rest_secs=REST_SECS if threads > 1 else 0.0)
                medians = {runtime: statistics.median(figures) for runtime, figures in found.items()}
                best = min((runtime for runtime in medians if runtime != OURS), key=lambda runtime: medians[runtime])
                ratio = statistics.median(a / b for a, b in zip(found[OURS], found[best], strict=True))
                rows.append(
                    {
                        "network": path.stem,
                        "trials": trials,
                        "seed": seed,
                        "ratio": ratio,
                        "best rival": best,
                        "ms": {runtime: 1e3 * figure for runtime, figure in medians.items()},
                        "secs to get there": secs,
                    }
                )
                print(
                    f"{path.stem:<12} {trials:>4} trials, seed {seed}: {ratio:5.2f} of {best}, after {secs:.0f} s;",
                    ", ".join(f"{runtime} {1e3 * figure:.2f} ms" for runtime, figure in medians.items()),
                    flush=True,
                )
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per budget: each network's median over seeds, losses first; the geometric mean and the worst of them."""
    found = []
    for trials in sorted({row["trials"] for row in rows}):
        networks = {}
        for name in sorted({row["network"] for row in rows}):
            mine = [row for row in rows if row["network"] == name and row["trials"] == trials]
            networks[name] = {
                "ratio": statistics.median(row["ratio"] for row in mine),
                "secs": statistics.median(row["secs to get there"] for row in mine),
            }
        ratios = [one["ratio"] for one in networks.values()]
        found.append(
            {
                "trials": trials,
                "geometric mean": math.exp(statistics.fmean(map(math.log, ratios))),
                "worst": max(ratios),
                "networks": dict(sorted(networks.items(), key=lambda pair: -pair[1]["ratio"])),
            }
        )
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["resnet18", "mobilenetv2", "bert-tiny"])
    parser.add_argument("--trials", type=int, nargs="+", default=[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--caches", help="what candidates find there, as `tunedb tune` takes it")
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    os.environ["TVM_NUM_THREADS"] = str(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            path = write(name, Path(folder))
            rows += measured(path, options.trials, options.seeds, options.threads, options.rounds, options.caches)
    totals = summary(rows)
    for total in totals:
        print(f"\n{total['trials']} trials: geometric mean {total['geometric mean']:.2f}, worst {total['worst']:.2f}")
        for name, one in total["networks"].items():
            print(f"  {name:<12} {one['ratio']:5.2f} of the fastest other runtime, after {one['secs']:.0f} s")
    if options.out:
        document = {
            "command": " ".join(["python -m benchmarks.networks", *sys.argv[1:]]),
            "machine": asdict(this_machine()),
            "threads": options.threads,
            "summary": totals,
            "rows": rows,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
