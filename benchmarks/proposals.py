"""How good a candidate the search finds, going by the cost model alone: `python benchmarks/proposals.py`.

Before the first batch is measured the posterior is the prior, so that what the first proposals hold can be judged
without measuring: the best prediction among them, over the best that any way found for the same workload. The shipped
model predicts; it has not seen the workloads. One change at a time of how candidates are looked for. The machine may be
busy; seconds then mean little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm.s_tir import meta_schedule as ms

from costmodels.registry.choose import load_model
from search.bo import screening
from search.bo.proposals import Budget, Proposer
from search.bo.surrogate import Surrogate
from search.corpus import operators
from search.corpus.collect import read_spec
from search.space.spaces import DesignSpaces
from search.targets import local_target
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.store.memory import MemoryStore

HERE = Path(__file__).resolve().parent
SHIPPED, OPTIMISM = Budget(), screening._OPTIMISM
WAYS: dict[str, tuple[Budget, float]] = {  # with the screen's optimism
    "as shipped": (SHIPPED, OPTIMISM),
    "optimism 0": (SHIPPED, 0.0),
    "optimism 2": (SHIPPED, 2.0),
    "optimism 0, 28 replayed, 4 mutated, 8 generations": (
        replace(SHIPPED, replayed=28, mutations=4, first_generations=8),
        0.0,
    ),
    "twice as many replayed": (replace(SHIPPED, replayed=2 * SHIPPED.replayed), OPTIMISM),
    "half as many generations": (replace(SHIPPED, first_generations=SHIPPED.first_generations // 2), OPTIMISM),
    "twice as many generations": (replace(SHIPPED, first_generations=2 * SHIPPED.first_generations), OPTIMISM),
    "four times as many samples": (replace(SHIPPED, first_samples=4 * SHIPPED.first_samples), OPTIMISM),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workloads", type=Path, default=HERE / "live_workloads.toml")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "proposals.json")
    chosen = parser.parse_args()
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    loaded = load_model(MemoryStore(), target.target_id, kind=target.kind)
    assert loaded is not None
    spec = read_spec(chosen.workloads)
    rows = []
    for operator, sizes in ((row.operator, sizes) for row in spec.workloads for sizes in row.sizes):
        for seed in range(chosen.seeds):
            for name, (budget, optimism) in WAYS.items():
                with optimistic(optimism):
                    found = first_proposals(operator, sizes, seed, budget, target, loaded.model)
                rows.append({"workload": f"{operator}-{'x'.join(map(str, sizes))}", "seed": seed, "way": name, **found})
    table = summary(rows)
    print(f"{'way':52} {'best':>6} {'best 8':>7} {'programs':>9} {'secs':>6}")
    for name, row in table.items():
        print(f"{name:52} {row['best']:6.3f} {row['best_8']:7.3f} {row['programs']:9.0f} {row['secs']:6.1f}")
    chosen.out.write_text(json.dumps({"seeds": chosen.seeds, "ways": table, "rows": rows}, indent=1) + "\n")


@contextmanager
def optimistic(deviations: float) -> Iterator[None]:
    """The screen's optimism, changed for a while."""
    before = screening._OPTIMISM
    screening._OPTIMISM = deviations
    try:
        yield
    finally:
        screening._OPTIMISM = before


def first_proposals(
    operator: str, sizes: list[int], seed: int, budget: Budget, target: Any, model: Any
) -> dict[str, float]:
    """Log latency as predicted of the best candidate and of the best eight; how many programs, and seconds."""
    context = ms.TuneContext(
        mod=tvm.IRModule({"main": operators.prim_func(operator, sizes)}),
        target=target_to_tvm(target),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )
    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))
    proposer = Proposer(spaces, model, replace(budget, pool=10_000))  # all are kept, to be counted
    started = time.perf_counter()
    pool = proposer.propose(Surrogate(has_prior=True), beta=1.0, at_once=True)
    secs = time.perf_counter() - started
    proposer.close()
    best = np.sort(pool.prior)[:8]
    return {"best": float(best[0]), "best_8": float(best.mean()), "programs": float(len(pool)), "secs": secs}


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Geometric means, of predictions over the best of the workload; medians of seconds."""
    floor: dict[str, float] = defaultdict(lambda: np.inf)
    for row in rows:
        floor[row["workload"]] = min(floor[row["workload"]], row["best"])
    table = {}
    for name in WAYS:
        mine = [row for row in rows if row["way"] == name]
        table[name] = {
            key: float(np.exp(np.mean([row[key] - floor[row["workload"]] for row in mine])))
            for key in ("best", "best_8")
        }
        table[name]["programs"] = float(np.mean([row["programs"] for row in mine]))
        table[name]["secs"] = float(np.median([row["secs"] for row in mine]))
    return table


if __name__ == "__main__":
    main()
