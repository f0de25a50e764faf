"""What to do with a few trials of a new target: `python benchmarks/transfer.py STORE --target x86-64-v3`.

For 0, 8, 32 and 128 trials of the target, workloads under test unseen on every target: a model of the other targets'
trials and these together (refit), a model of the others that learns from these on top (update), a model of these alone.
Prints a table and writes benchmarks/results/transfer.json. Nothing is timed, so that the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from costmodels.compute import Compute
from costmodels.dataset import not_among
from costmodels.evaluation.folds import SHOTS
from costmodels.evaluation.splits import Few, evaluate
from costmodels.kinds import of_kind
from costmodels.models.lightgbm import LightGBMModel
from costmodels.pools import read_pools
from tunedb.store.opening import open_store

_SHRINKAGE = 40.0  # trees times learning rate, as the default has them
METRICS = ("top1", "top5", "top16", "pairwise")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--target", required=True)
    parser.add_argument("--seeds", type=int, default=3, help="drawings of the few trials")
    parser.add_argument(
        "--trees", type=int, default=200, help="of a model; fewer than usual: ways are compared, not models"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "transfer.json")
    chosen = parser.parse_args()
    compute = Compute(len(os.sched_getaffinity(0)))
    with open_store(chosen.store) as store:
        target = store.resolve_target(chosen.target)
        pools = [pool for row in store.targets() for pool in read_pools(store, row, compute=compute).pools]
    pools += not_among(of_kind(target.kind).prior.pools, pools)
    rate = _SHRINKAGE / chosen.trees
    make = {"lightgbm": lambda: LightGBMModel(num_trees=chosen.trees, learning_rate=rate, compute=compute)}
    rows: list[dict[str, Any]] = []

    def add(shots: int, way: str, split: str, few: Few, seeds: int) -> None:
        for seed in range(seeds):
            figures = evaluate(pools, make, [split], target_ids=[target.target_id], few=few, seed=seed).figures
            mean = {row.metric: row.value for row in figures if row.workload_id is None}
            rows.append({"shots": shots, "way": way, "seed": seed, **{name: mean[name] for name in METRICS}})
            print(rows[-1], flush=True)

    add(0, "the others", "leave-target-out", Few.REFIT, chosen.seeds)
    for split, shots in SHOTS.items():
        for way in Few:
            add(shots, way.value, split, way, chosen.seeds)

    print(f"\n{'trials':>6}  {'way':10}", *(f"{name:>9}" for name in METRICS))
    table = []
    for shots, way in dict.fromkeys((row["shots"], row["way"]) for row in rows):
        of_both = [row for row in rows if (row["shots"], row["way"]) == (shots, way)]
        means = {name: sum(row[name] for row in of_both) / len(of_both) for name in METRICS}
        table.append({"shots": shots, "way": way, **means})
        print(f"{shots:6}  {way:10}", *(f"{means[name]:9.3f}" for name in METRICS))
    chosen.out.write_text(json.dumps({"target": target.text, "means": table, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
