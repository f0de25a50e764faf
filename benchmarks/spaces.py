"""What design spaces of our own bring: `python benchmarks/spaces.py rows`.

Each workload is tuned with MetaSchedule's design spaces and with ours beside them, from the bundled prior, on one core,
with several seeds. The roof is what the machine's reference kernels reach: of arithmetic, or of memory for arguments
that are moved once; what stays in a cache may pass it.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

from search.measure.local import LocalCpu
from search.networks.benchmark import roof_of
from search.space import generators
from search.targets import local_target
from search.task import Task
from search.tune import tune
from search.work import work_of
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import workload_from_module
from tunedb.store.memory import MemoryStore

TRIALS, SEEDS = 32, (0, 1, 2)
FIRST = 8  # trials, which the prior alone chooses
OWN = frozenset({"Merge"})  # instructions of none but our spaces
ARMS = ("default", "ours")
WORKLOADS = {
    "rows": [
        ("layer norm", [128, 768]),
        ("layer norm", [197, 384]),
        ("layer norm", [1024, 256]),
        ("softmax", [768, 128]),
        ("softmax", [394, 197]),
        ("softmax", [1024, 256]),
    ],
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(WORKLOADS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "spaces.json")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    known = json.loads(chosen.out.read_text()) if chosen.out.exists() else {"workloads": []}
    rows = [row for row in known["workloads"] if row["family"] != chosen.family]
    print(
        f"{'workload':30}"
        + "".join(f"{arm + ' us':>12}{'roof share':>12}" for arm in ARMS)
        + f"{'ratio':>8}{'ours of first':>14}",
        flush=True,
    )
    with LocalCpu(target) as device:
        roof = roof_of(device, 1)
        for name, sizes in WORKLOADS[chosen.family]:
            task = Task("main", module(name, sizes))
            secs: dict[str, list[float]] = {arm: [] for arm in ARMS}
            chosen_first: list[int] = []
            for seed in SEEDS:
                for arm in ARMS:
                    found, of_ours = tuned(task, arm, seed, target, device)
                    secs[arm].append(found)
                    if arm == "ours":
                        chosen_first.append(of_ours)
            medians = {arm: statistics.median(secs[arm]) for arm in ARMS}
            shares = {arm: roof.secs(work_of(task)) / medians[arm] for arm in ARMS}
            row = {"family": chosen.family, "operator": name, "sizes": sizes, "secs": secs, "roof_share": shares}
            row["ours_of_first"] = chosen_first
            rows.append(row)
            ratio = medians["ours"] / medians["default"]
            of_first = f"{statistics.median(chosen_first):g} of {FIRST}"
            cells = "".join(f"{medians[arm] * 1e6:12.2f}{shares[arm]:12.2f}" for arm in ARMS)
            print(
                f"{name + ' ' + 'x'.join(map(str, sizes)):30}{cells}{ratio:8.2f}{of_first:>14}",
                flush=True,
            )
            document = {"cpu": this_machine().name, "target": target.text, "trials": TRIALS, "workloads": rows}
            chosen.out.write_text(json.dumps(document, indent=1) + "\n")


def tuned(task: Task, arm: str, seed: int, target: Any, device: Any) -> tuple[float, int]:
    """The fastest that a run finds, in seconds, and how many of its first trials are of our spaces."""
    is_default = mock.patch.object(generators, "families", tuple) if arm == "default" else nullcontext()
    best: list[float] = []
    store = MemoryStore()
    workload_id = workload_from_module(task.mod)[0].workload_id
    with is_default:
        tune(
            [task],
            store=store,
            target=target,
            trials=TRIALS,
            seed=seed,
            check=False,
            device=device,
            on_trial=lambda event: best.append(event.best_secs or float("inf")),
        )
    trials = [trial for trial in store.trials() if trial.workload_id == workload_id]
    first = sorted(trials, key=lambda trial: trial.position)[:FIRST]
    names = [{name for name, *_ in json.loads(trial.trace.instructions)} for trial in first]
    return min(best), sum(bool(its & OWN) for its in names)


def module(name: str, sizes: Sequence[int]) -> Any:
    """A workload's program."""
    from tvm import te
    from tvm.ir import IRModule

    make: dict[str, Callable[..., list[Any]]] = {
        "layer norm": layer_norm,
        "softmax": softmax,
    }
    return IRModule({"main": te.create_prim_func(make[name](*sizes)).with_attr("global_symbol", "main")})


def layer_norm(rows: int, columns: int) -> list[Any]:
    """As TOPI has it."""
    from tvm import te, topi

    data = te.placeholder((rows, columns), name="data")
    scale, shift = (te.placeholder((columns,), name=one) for one in ("scale", "shift"))
    return [data, scale, shift, topi.nn.layer_norm(data, scale, shift, axis=[1])]


def softmax(rows: int, columns: int) -> list[Any]:
    """With the polynomial that `search.networks.vector_math` takes for exp."""
    from tvm import te, topi

    data = te.placeholder((rows, columns), name="data")
    return [data, topi.nn.fast_softmax(data, axis=1)]


if __name__ == "__main__":
    main()
