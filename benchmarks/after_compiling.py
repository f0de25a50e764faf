"""What a model would gain from a look at the machine code: `python benchmarks/after_compiling.py STORE`.

STORE has data/ ingested, and keeps what is computed (`tunedb features --family machine_code` does so too). The
workloads of data/metaschedule on a target are left out in folds. Regressors learn from all other trials that ship, and
are told of the machine code (`costmodels.features.machine_code`) of those of the target, or not. Nothing is timed: the
machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from unseen_machine import METRICS, fitted, judged, predicted

from costmodels.compute import Compute
from costmodels.dataset import Pool, dataset_of, fold_numbers
from costmodels.features import FAMILIES
from costmodels.kinds import of_kind
from costmodels.pools import features_of
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.store.memory import MemoryStore
from tunedb.store.opening import open_store

HERE = Path(__file__).resolve().parent
FOLDS = 10
MOST = 200  # trials of a workload that are compiled
Array = np.ndarray[Any, np.dtype[np.float64]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="a store with data/ ingested")
    parser.add_argument("--target", default="znver5")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "after_compiling.json")
    chosen = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    known = of_kind("llvm").prior.pools
    with open_store(chosen.store) as store:
        target = store.resolve_target(chosen.target)
        own = [compiled(pool) for pool in known if pool.target_id == target.target_id]
        wanted = {trial_id for pool in own for trial_id in pool.trial_ids}
        trials = [trial for trial in store.trials(target_id=target.target_id) if trial.trial_id in wanted]
        compute = Compute(workers, on_progress=told)
        found = features_of(store, target, trials, FAMILIES["machine_code"], compute=compute)
        code = found.rows
    print(f"{len(code):,} trials compiled, {len(found.causes)} not", flush=True)
    with MemoryStore() as shown:
        ingest(shown, [HERE.parent / "data" / "metaschedule"], hardware=hardware_named("data"))
        judging = {row.workload_id for row in shown.workloads()}
    test = [pool.without(set(pool.trial_ids) - code.keys()) for pool in own if pool.workload_id in judging]
    table = {}
    print(f"{len(test)} workloads of {target.text}\n{'first regressor':34}", *(f"{name:>9}" for name in METRICS))
    for way, told_of in (("told of loop nests", {}), ("told of the machine code too", code)):
        table[way] = evaluated(known, test, told_of, workers)
        print(f"{way:34}", *(f"{table[way][name]:9.3f}" for name in METRICS), flush=True)
    document = {"target": target.text, "workloads": len(test), "compiled": len(code), "ways": table}
    chosen.out.write_text(json.dumps(document, indent=1) + "\n")


def told(done: int, total: int) -> None:
    """Says how far the compiling is."""
    if done % 500 == 0:
        print(f"{done:,} of {total:,} trials", flush=True)


def compiled(pool: Pool) -> Pool:
    """The trials of a pool that are compiled: all, or a part that is drawn at random."""
    drawn = np.random.default_rng(0).permutation(len(pool))[MOST:]
    return pool.without({pool.trial_ids[place] for place in drawn})


def evaluated(known: tuple[Pool, ...], test: list[Pool], code: dict[str, Array], workers: int) -> dict[str, float]:
    """Means over workloads, each predicted by what has not seen it."""
    width = len(FAMILIES["machine_code"].names()) if code else 0
    unknown = np.full(width, np.nan)

    def columns(pool: Pool) -> Array:
        return np.hstack([pool.features, [code.get(trial_id, unknown) for trial_id in pool.trial_ids]])

    fold = fold_numbers(np.arange(len(test)), FOLDS, seed=0)
    rows = []
    for number in range(FOLDS):
        left_out = [pool for pool, its in zip(test, fold, strict=True) if its == number]
        unseen = {pool.workload_id for pool in left_out}
        others = [pool for pool in known if pool.workload_id not in unseen]
        members = fitted(np.vstack([columns(pool) for pool in others]), dataset_of(others).scores, 0, workers)
        rows += [judged(pool, predicted(columns(pool), members)) for pool in left_out]
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


if __name__ == "__main__":
    main()
