"""How good a candidate the search finds, going by the cost model alone: `python benchmarks/proposals.py`.

Before the first batch is measured the posterior is the prior, so that what the first proposals hold can be judged
without measuring: the best prediction among them, over the best that any way found for the same workload. The shipped
model predicts; it has not seen the workloads. One change at a time of how candidates are looked for; "evolutionary
search" is stock's with the same model, which looks at some 2,500 candidates, and proposes 64. The machine may be busy;
seconds then mean little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm.s_tir import meta_schedule as ms

from costmodels.kinds import of_kind
from costmodels.metaschedule import cost_model
from costmodels.registry.choose import load_model
from search.bo import screening, spread
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
EVOLUTIONARY = "evolutionary search"
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
    "look-alikes among the parents": (SHIPPED, OPTIMISM),
    "all decisions alike in the screen": (SHIPPED, OPTIMISM),
    "both, as before": (SHIPPED, OPTIMISM),
    EVOLUTIONARY: (SHIPPED, OPTIMISM),
}
CHANGED: dict[str, list[tuple[Any, str, Any]]] = {  # what is changed for a while
    "look-alikes among the parents": [(spread, "_APART", -1.0)],
    "all decisions alike in the screen": [(screening, "_LEAST", 1.0)],
}
CHANGED["both, as before"] = [change for changes in CHANGED.values() for change in changes]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workloads", type=Path, default=HERE / "live_workloads.toml")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
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
            for name in chosen.ways:
                budget, optimism = WAYS[name]
                ask = evolved if name == EVOLUTIONARY else partial(first_proposals, budget=budget)
                with changed([(screening, "_OPTIMISM", optimism), *CHANGED.get(name, ())]):
                    found = ask(context_of(operator, sizes, seed, target), seed=seed, model=loaded.model)
                rows.append({"workload": f"{operator}-{'x'.join(map(str, sizes))}", "seed": seed, "way": name, **found})
    table = summary(rows)
    print(f"{'way':52} {'best':>6} {'best 8':>7} {'programs':>9} {'secs':>6}")
    for name, row in table.items():
        print(f"{name:52} {row['best']:6.3f} {row['best_8']:7.3f} {row['programs']:9.0f} {row['secs']:6.1f}")
    chosen.out.write_text(json.dumps({"seeds": chosen.seeds, "ways": table, "rows": rows}, indent=1) + "\n")


@contextmanager
def changed(changes: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Constants of modules, changed for a while."""
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def context_of(operator: str, sizes: list[int], seed: int, target: Any) -> Any:
    """MetaSchedule's context of a workload."""
    return ms.TuneContext(
        mod=tvm.IRModule({"main": operators.prim_func(operator, sizes)}),
        target=target_to_tvm(target),
        space_generator="post-order-apply",
        search_strategy=ms.search_strategy.EvolutionarySearch(),
        num_threads=1,
        rand_state=seed + 1,
    )


def first_proposals(context: Any, seed: int, model: Any, budget: Budget) -> dict[str, float]:
    """Log latency as predicted of the best candidate and of the best eight; how many programs, and seconds."""
    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))
    proposer = Proposer(spaces, model, replace(budget, pool=10_000))  # all are kept, to be counted
    started = time.perf_counter()
    pool = proposer.propose(Surrogate(has_prior=True), beta=1.0, at_once=True)
    secs = time.perf_counter() - started
    proposer.close()
    return figures(pool.prior, secs)


def evolved(context: Any, seed: int, model: Any) -> dict[str, float]:
    """The same of what stock's evolutionary search proposes with the model."""
    started = time.perf_counter()
    spaces = context.generate_design_space()
    context.pre_tuning(64, 64, spaces, ms.database.MemoryDatabase(), cost_model(model, seed=seed))
    proposed = context.search_strategy.generate_measure_candidates()
    secs = time.perf_counter() - started
    context.post_tuning()
    features = of_kind(str(context.target.kind.name)).features.extract([one.sch for one in proposed], context)
    return figures(model.predict(features[np.isfinite(features).all(axis=1)]).mean, secs)


def figures(predicted: Any, secs: float) -> dict[str, float]:
    """Log latency of the best and mean of the best eight, how many, and seconds."""
    best = np.sort(predicted)[:8]
    return {"best": float(best[0]), "best_8": float(best.mean()), "programs": float(len(predicted)), "secs": secs}


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Geometric means, of predictions over the best of the workload; medians of seconds."""
    floor: dict[str, float] = defaultdict(lambda: np.inf)
    for row in rows:
        floor[row["workload"]] = min(floor[row["workload"]], row["best"])
    table = {}
    for name in dict.fromkeys(row["way"] for row in rows):
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
