"""How near an estimate of latency is for the seconds spent: `python benchmarks/runner.py --core 1`.

Random schedules of a matrix product are built once. Each is measured in many rounds, far apart, whose median stands for
the truth; then every way of measuring takes its turn on every schedule, several times, interleaved. Error is the
absolute deviation of the estimate from the truth; a rank error is a pair of neighbours put in the wrong order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from search.corpus import operators
from search.measure.device import Timing
from search.measure.local import LocalCpu
from search.measure.programs import program_of
from search.space.spaces import DesignSpaces
from search.targets import local_target
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.query.estimates import estimate

ROUNDS = 20
TURNS = 5


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=24)
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "runner.json")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    device = LocalCpu(target)
    candidates = sampled("batch_matmul_nkkm", [1, 128, 128, 128], target, chosen.schedules)
    built = device.build([program_of(candidate.schedule.mod) for candidate in candidates], keep=True)

    def run(which: int, repeat: int, min_repeat_ms: int, stop_above: float = float("inf")) -> Sequence[float]:
        timing = Timing(repeat=repeat, min_repeat_ms=min_repeat_ms)
        (measured,) = device.run([built[which].number], timing=timing, enough_secs=lambda: stop_above)
        return measured.run_secs

    truth = [[run(which, 1, 20)[0] for which in range(len(built))] for _ in range(ROUNDS)]
    secs = [statistics.median(row[which] for row in truth) for which in range(len(built))]
    fastest = min(secs)
    ways: dict[str, Callable[[int], float]] = {
        "stock: 1 repeat of 100 ms": lambda which: run(which, 1, 100)[0],
        "1 repeat of 10 ms": lambda which: run(which, 1, 10)[0],
        "3 repeats of 10 ms, median": lambda which: statistics.median(run(which, 3, 10)),
        "ours: 3 of 10 ms, hopeless 1, estimate": lambda which: estimate([run(which, 3, 10, 1.5 * fastest)]).secs,
    }
    order = np.argsort(secs)
    rows: dict[str, dict[str, list[float]]] = {name: {"error": [], "secs": [], "wrong": []} for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            started = time.perf_counter()
            found = [way(which) for which in range(len(built))]
            rows[name]["secs"].append((time.perf_counter() - started) / len(built))
            rows[name]["error"] += [abs(one - true) / true for one, true in zip(found, secs, strict=True)]
            rows[name]["wrong"].append(float(np.mean([found[a] > found[b] for a, b in pairwise(order)])))
    device.close()
    print(f"{this_machine().name}: {len(built)} schedules, {TURNS} turns")
    print(f"{'way':42}{'median error':>14}{'p90 error':>12}{'wrong pairs':>13}{'secs each':>11}")
    document: dict[str, Any] = {"cpu": this_machine().name, "ways": {}}
    for name, row in rows.items():
        median, worst = np.quantile(row["error"], [0.5, 0.9])
        wrong, spent = statistics.fmean(row["wrong"]), statistics.median(row["secs"])
        document["ways"][name] = {"median_error": median, "p90_error": worst, "wrong_pairs": wrong, "secs": spent}
        print(f"{name:42}{median:14.3f}{worst:12.3f}{wrong:13.3f}{spent:11.3f}")
    chosen.out.write_text(json.dumps(document, indent=1) + "\n")


def sampled(operator: str, sizes: list[int], target: Any, number: int) -> list[Any]:
    """Random candidates of an operator, the same each time."""
    import tvm
    from tvm.s_tir import meta_schedule as ms

    mod = tvm.IRModule({"main": operators.prim_func(operator, sizes)})
    context = ms.TuneContext(
        mod=mod, target=target_to_tvm(target), space_generator="post-order-apply", num_threads=1, rand_state=1
    )
    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    return spaces.sample(number)


if __name__ == "__main__":
    main()
