"""How well a model ranks trials of a machine it has not seen, and what helps: `python benchmarks/unseen_machine.py`.

It learns from what ships with tunedb and is judged by the trials in benchmarks/logs, of another machine and of sizes
that do not ship. Two questions: how much the default model's second regressor should weigh, and whether it helps to be
told of caches and of a core's FLOP/s (`costmodels.features.hardware`), or of the workload whatever its schedule
(`costmodels.features.workload`). Nothing is timed: the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from costmodels import metrics
from costmodels.compute import Compute
from costmodels.dataset import Pool, dataset_of
from costmodels.features import hardware, workload
from costmodels.kinds import of_kind
from costmodels.models import LightGBMModel, RooflineModel
from costmodels.models.ensemble import log_cost
from costmodels.pools import read_pools
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule.replay import load_module
from tunedb.query.calibration import Calibration
from tunedb.records import Hardware
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

HERE = Path(__file__).resolve().parent
LOGS = HERE / "logs" / "epyc-zen4-1core.tar.xz"
FEWEST = 16  # trials of a workload
MEMBERS, JUDGES = 4, 2  # ways are compared, not models
SHARES = (0.0, 0.25, 0.5, 1.0)
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
Array = np.ndarray[Any, np.dtype[np.float64]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "unseen_machine.json")
    chosen = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, open_store(folder, create=True) as store:
        ingest(store, [LOGS, HERE.parent / "data"], hardware=hardware_named("data"))
        archs = {target.target_id: target.arch for target in store.targets()}
        descriptors = {row.workload_id: described(store, row.workload_id) for row in store.workloads()}
        (unseen,) = (target for target in store.targets() if target.arch == "znver4")
        test = [pool for pool in read_pools(store, unseen, compute=Compute(workers)).pools if len(pool) >= FEWEST]
    known = of_kind("llvm").prior.pools
    print(f"{len(test)} workloads of {unseen.text}\n{'way':34}", *(f"{name:>9}" for name in METRICS))
    table = {}
    for way, costs in ways(known, test, archs, descriptors, chosen.seeds, workers):
        figures = [judged(pool, of_pool) for pool, of_pool in zip(test, costs, strict=True)]
        table.setdefault(way, []).append({name: float(np.nanmean([row[name] for row in figures])) for name in METRICS})
        print(f"{way:34}", *(f"{table[way][-1][name]:9.3f}" for name in METRICS), flush=True)
    means = {
        way: {name: float(np.mean([row[name] for row in rows])) for name in METRICS} for way, rows in table.items()
    }
    print("\nmean over seeds")
    for way, row in means.items():
        print(f"{way:34}", *(f"{row[name]:9.3f}" for name in METRICS))
    document = {"target": unseen.text, "workloads": len(test), "seeds": chosen.seeds, "means": means}
    chosen.out.write_text(json.dumps(document, indent=1) + "\n")


def ways(
    known: Sequence[Pool],
    test: Sequence[Pool],
    archs: Mapping[str, str],
    descriptors: Mapping[str, Array],
    seeds: int,
    workers: int,
) -> Iterator[tuple[str, list[Array]]]:
    """Each way once a seed, with what it predicts for each pool."""
    roofline = RooflineModel()
    yield "roofline, nothing learned", [roofline.costs(pool.features) for pool in test]
    dataset = dataset_of(known)
    machines = {target_id: machine_of(arch) for target_id, arch in archs.items()}
    tellings: dict[str, Callable[[Pool], Array]] = {
        "first regressor": lambda _: np.empty(0),
        "first regressor, told of hardware": lambda pool: machines[pool.target_id],
        "first regressor, told of workload": lambda pool: descriptors[pool.workload_id],
    }
    for seed in range(seeds):
        for share in SHARES:
            model = LightGBMModel(absolute_share=share, members=MEMBERS, judges=JUDGES, compute=Compute(workers))
            model.fit(dataset, seed=seed)
            yield f"second regressor's share {share:g}", [model.predict(pool.features).mean for pool in test]
        for name, told in tellings.items():
            learned = np.vstack([columns(pool, told(pool)) for pool in known])
            members = fitted(learned, dataset.scores, seed, workers)
            yield name, [predicted(columns(pool, told(pool)), members) for pool in test]


def columns(pool: Pool, told: Array) -> Array:
    """A pool's features with some numbers beside them, the same for all."""
    return np.hstack([pool.features, np.tile(told, (len(pool), 1))])


def machine_of(arch: str) -> Array:
    """What is known of the machine that was measured for an arch."""
    kib, calibration = MACHINES[arch]
    machine = Hardware("", hardware_named("").name, "cpu", None, None, *(size and size * 1024 for size in kib))
    return hardware.describe(machine, calibration)


def described(store: Store, workload_id: str) -> Array:
    """A workload's descriptors."""
    return workload.describe(load_module(store.modules(workload_id)[0]))


def fitted(features: Array, scores: Array, seed: int, workers: int) -> list[Any]:
    """Regressors of sqrt(score), with the parameters of the default model's first."""
    parameters = {
        "objective": "regression",
        "num_leaves": 31,
        "learning_rate": 0.08,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "min_data_in_leaf": 10,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": workers,
        "verbose": -1,
    }
    data = lightgbm.Dataset(features, np.sqrt(scores), params={"max_bin": 127, "verbose": -1}, free_raw_data=False)
    seeds = range(seed * 1000 + 1, seed * 1000 + 1 + MEMBERS)
    return [lightgbm.train({**parameters, "seed": number}, data, num_boost_round=500) for number in seeds]


def predicted(features: Array, members: Sequence[Any]) -> Array:
    """The mean of what members say of log cost [n]."""
    return np.asarray(np.mean([log_cost(member.predict(features)) for member in members], axis=0))


def judged(pool: Pool, costs: Array) -> dict[str, float]:
    """How a prediction ranks a pool."""
    return {
        **{f"top{k}": metrics.top_k(pool.scores, costs, k) for k in (1, 5, 16)},
        "pairwise": metrics.pairwise_accuracy(pool.scores, costs),
    }


if __name__ == "__main__":
    main()
