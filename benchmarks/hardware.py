"""Does a model that is told of caches and of a core's FLOP/s do better on a machine it has not seen?

`python benchmarks/hardware.py` learns from what ships with tunedb, once from loop-nest features alone and once with the
numbers of `costmodels.features.hardware` beside them, and ranks trials of a machine of which nothing was learned: those
in benchmarks/logs. The first regressor of the default model stands for it. Nothing is timed: the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from costmodels import metrics
from costmodels.features import hardware
from costmodels.models.ensemble import log_cost
from costmodels.pools import Pool, read_pools
from costmodels.shipped import shipped_pools
from tunedb.calibration import Calibration
from tunedb.hardware import hardware_named
from tunedb.ingest import ingest
from tunedb.opening import open_store
from tunedb.records import Hardware

HERE = Path(__file__).resolve().parent
LOGS = HERE / "logs" / "epyc-zen4-1core.tar.xz"
XEON, ZEN5, ZEN4 = ((48, 2048, None), (48, 1024, 32 * 1024), (32, 1024, 32 * 1024))  # KiB of L1d, L2, L3
UNKNOWN = Calibration()
MACHINES = {  # by arch, as data/README.md and benchmarks/logs/README.md tell; a core's figures are `tunedb targets`'
    "rocketlake": (XEON, UNKNOWN),
    "haswell": (XEON, UNKNOWN),
    "znver5": (ZEN5, Calibration(2.82e11, 1.30e11)),
    "x86-64-v3": (ZEN5, UNKNOWN),
    "znver4": (ZEN4, UNKNOWN),
}
METRICS = ("top1", "top5", "top16", "pairwise")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "hardware.json")
    chosen = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    archs: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, open_store(folder, create=True) as store:
        ingest(store, [LOGS, HERE.parent / "data"])
        archs = {target.target_id: target.arch for target in store.targets()}
        (unseen,) = (target for target in store.targets() if target.arch == "znver4")
        test = [pool for pool in read_pools(store, unseen, workers=workers).pools if len(pool) >= 16]
    known = shipped_pools("llvm")
    scores = np.concatenate([pool.scores for pool in known])
    rows = []
    for told in (False, True):
        features = np.vstack([columns(pool, archs, told) for pool in known])
        for seed in range(chosen.seeds):
            members = fitted(features, scores, seed, chosen.members, workers)
            figures = [judged(pool, columns(pool, archs, told), members) for pool in test]
            means = {name: float(np.nanmean([row[name] for row in figures])) for name in METRICS}
            rows.append({"told": told, "seed": seed, **means})
            print(rows[-1], flush=True)
    print(f"\n{len(test)} workloads of {unseen.text}\n{'told of hardware':18}", *(f"{name:>9}" for name in METRICS))
    table = []
    for told in (False, True):
        mine = [row for row in rows if row["told"] == told]
        means = {name: float(np.mean([row[name] for row in mine])) for name in METRICS}
        table.append({"told": told, **means})
        print(f"{'yes' if told else 'no':18}", *(f"{means[name]:9.3f}" for name in METRICS))
    chosen.out.write_text(json.dumps({"target": unseen.text, "means": table, "rows": rows}, indent=1) + "\n")


def columns(pool: Pool, archs: dict[str, str], told: bool) -> np.ndarray[Any, Any]:
    """A pool's features, with its machine's numbers beside them or without."""
    if not told:
        return pool.features
    kib, calibration = MACHINES[archs[pool.target_id]]
    sizes = [None if size is None else size * 1024 for size in kib]
    named = hardware_named("")
    machine = Hardware(named.hardware_id, named.name, "cpu", None, None, *sizes)
    return np.hstack([pool.features, np.tile(hardware.describe(machine, calibration), (len(pool), 1))])


def fitted(features: Any, scores: Any, seed: int, members: int, workers: int) -> list[Any]:
    """Regressors of sqrt(score), with the parameters of the default model's."""

    def member(number: int) -> Any:
        parameters = {
            "objective": "regression",
            "num_leaves": 31,
            "learning_rate": 0.08,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "min_data_in_leaf": 10,
            "seed": seed * 1000 + number + 1,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
        }
        data = lightgbm.Dataset(features, np.sqrt(scores), params={"max_bin": 127, "verbose": -1})
        return lightgbm.train(parameters, data, num_boost_round=500)

    with ThreadPoolExecutor(workers) as executor:
        return list(executor.map(member, range(members)))


def judged(pool: Pool, features: Any, members: list[Any]) -> dict[str, float]:
    """How the members' mean ranks a pool."""
    costs = np.mean([log_cost(member.predict(features, num_threads=1)) for member in members], axis=0)
    return {
        **{f"top{k}": metrics.top_k(pool.scores, costs, k) for k in (1, 5, 16)},
        "pairwise": metrics.pairwise_accuracy(pool.scores, costs),
    }


if __name__ == "__main__":
    main()
