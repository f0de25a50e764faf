"""Searches on recorded pools, without measuring: `python benchmarks/search_replay.py --seeds 30`.

A pool is what was once measured of one workload on one target (those that ship with tunedb). A policy picks a batch of
it, is told the latencies, and picks again: best so far after N trials over the best of the pool (less one: the simple
regret), geometric mean over pools, with bootstrap intervals over pools. Each seed sees another nine tenths of a pool.
The prior of "warm" is fitted without the pool's workload, in five folds; that of "cold" is a roofline, which has
learned nothing, and "blind" has none. "misled" is told of each candidate what "warm" is told of another one, and
"turned round" the opposite. Minutes, and the machine may be busy: this is where design choices are made. The
pools are spread over operator families and targets; `--pools 0` takes all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erfcx, log_ndtr
from threadpoolctl import threadpool_limits

from costmodels.compute import Compute
from costmodels.dataset import Pool, dataset_of, fold_numbers
from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.models import LightGBMModel, RooflineModel
from search.bo import surrogate as surrogate_module
from search.bo.acquisition import select_batch, select_batch_by
from search.bo.surrogate import surrogate_of

AFTER = (1, 8, 16, 32, 64)
FOLDS = 5
RESAMPLES = 2000
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Shown:
    """What a policy sees of a pool."""

    features: Array
    prior: Array
    latencies: Array
    rng: np.random.Generator


Policy = Callable[[Shown, int, int], list[int]]


def random_policy(pool: Shown, trials: int, batch: int) -> list[int]:
    """In random order."""
    return [int(i) for i in pool.rng.permutation(len(pool.latencies))[:trials]]


def greedy_xgboost(pool: Shown, trials: int, batch: int) -> list[int]:
    """The best by stock's XGBoost, fitted to what was measured, one in twenty at random; the first batch is random."""
    import xgboost

    parameters = {"max_depth": 10, "eta": 0.2, "gamma": 0.001, "min_child_weight": 0, "nthread": 1, "verbosity": 0}
    order = [int(i) for i in pool.rng.permutation(len(pool.latencies))]
    done = order[:batch]
    while len(done) < min(trials, len(order)):
        fastest = pool.latencies[done].min()
        matrix = xgboost.DMatrix(pool.features[done], fastest / pool.latencies[done], nthread=1)
        model = xgboost.train({**parameters, "seed": 0}, matrix, num_boost_round=100)
        taken = set(done)
        left = [i for i in order if i not in taken]
        scores = model.inplace_predict(pool.features[left])
        ranked = [left[i] for i in np.argsort(-scores, kind="stable")]
        for _ in range(min(batch, trials - len(done), len(left))):
            place = int(pool.rng.integers(len(ranked))) if pool.rng.random() < 0.05 else 0
            done.append(ranked.pop(place))
    return done


PRIORS: dict[str, tuple[Callable[[Shown], Array], CostModel | None]] = {
    "warm": (lambda pool: pool.prior, LightGBMModel()),
    "misled": (lambda pool: np.random.default_rng(len(pool.prior)).permutation(pool.prior), LightGBMModel()),
    "turned round": (lambda pool: -pool.prior, LightGBMModel()),
    "cold": (lambda pool: RooflineModel().costs(pool.features), RooflineModel()),
    "blind": (lambda pool: np.zeros(len(pool.latencies)), None),
}


def bayesian(
    start: str, *, beta: float = 1.0, how: str = "lcb", prior_std: float | None = None, is_guarded: bool = True
) -> Policy:
    """Ours: the surrogate and acquisition of `search`, or another acquisition for comparison."""
    prior_of, model = PRIORS[start]

    def policy(pool: Shown, trials: int, batch: int) -> list[int]:
        prior = prior_of(pool)
        surrogate = surrogate_of(model, "llvm" if is_guarded else "any", prior_std)
        done: list[int] = []
        left = list(range(len(pool.latencies)))
        while left and len(done) < trials:
            size = min(batch, trials - len(done), len(left))
            if model is None and not done:
                picks = list(range(size))
            else:
                posterior = surrogate.posterior(pool.features[left], prior[left])
                if how == "thompson":
                    draws = pool.rng.multivariate_normal(posterior.mean, posterior.covariance, size=4 * size)
                    picks = list(dict.fromkeys(int(i) for i in draws.argmin(axis=1)))[:size]
                elif how == "improvement":
                    known = surrogate.posterior(pool.features[done], prior[done]).mean if done else posterior.mean
                    score = partial(less_improvement, posterior.mean, float(known.min()))
                    picks = select_batch_by(score, posterior.covariance, size, surrogate.noise)
                else:
                    picks = select_batch(posterior.mean, posterior.covariance, size, beta, surrogate.noise)
            chosen = [left[i] for i in picks]
            surrogate.observe(pool.features[chosen], prior[chosen], pool.latencies[chosen])
            done += chosen
            gone = set(chosen)
            left = [i for i in left if i not in gone]
        return done

    return policy


def less_improvement(mean: Array, best: float, std: Array) -> Array:
    """Less the logarithm of the improvement on the best mean that is expected of each candidate [n]."""
    std = np.maximum(std, 1e-6)
    return -(np.log(std) + log_improvement((best - mean) / std))


def log_improvement(z: Array) -> Array:
    """Logarithm of pdf(z) + z cdf(z) of the normal distribution, which is zero in floating point for small z.

    Ament et al., "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023, section 4.
    """
    log_pdf = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    low = np.clip(z, -1e4, -1.0)  # below, 1 - |z| cdf / pdf loses its digits; it goes to 1 / z**2
    tail = np.log(np.maximum(1.0 + low * np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2)), 0.25 / low**2))
    high = np.maximum(z, -1.0)
    return np.where(
        z < -1.0, log_pdf + tail, np.log(np.exp(-0.5 * high**2) / np.sqrt(2 * np.pi) + high * np.exp(log_ndtr(high)))
    )


@contextmanager
def changed(name: str, value: float) -> Iterator[None]:
    """One of the surrogate's constants, changed for a while."""
    before = getattr(surrogate_module, name)
    setattr(surrogate_module, name, value)
    try:
        yield
    finally:
        setattr(surrogate_module, name, before)


def with_constant(name: str, value: float, policy: Policy) -> Policy:
    """A policy with another constant."""

    def run(pool: Shown, trials: int, batch: int) -> list[int]:
        with changed(name, value):
            return policy(pool, trials, batch)

    return run


POLICIES: dict[str, Policy] = {
    "random": random_policy,
    "xgboost, greedy": greedy_xgboost,
    **{start: bayesian(start) for start in ("blind", "cold", "warm", "misled")},
}
CONSTANTS = {"_LENGTH_SCALE": (0.5, 2.0), "_WEIGHT_STD": (0.25, 1.0)}
ERRORS = {"warm": (0.2, 0.8), "cold": (0.3, 1.2)}  # half and twice what ships, nats


def choices() -> dict[str, Policy]:
    """Other ways to do what ours does, one change at a time."""
    found: dict[str, Policy] = {}
    for start, errors in ERRORS.items():
        for beta in (0.0, 0.5, 2.0):
            found[f"{start}, beta {beta:g}"] = bayesian(start, beta=beta)
        found[f"{start}, Thompson"] = bayesian(start, how="thompson")
        found[f"{start}, expected improvement"] = bayesian(start, how="improvement")
        for std in errors:
            found[f"{start}, prior's error {std:g}"] = bayesian(start, prior_std=std)
        for constant, values in CONSTANTS.items():
            for value in values:
                label = f"{start}, {constant.strip('_').lower().replace('_', ' ')} {value:g}"
                found[label] = with_constant(constant, value, bayesian(start))
    found["turned round"] = bayesian("turned round")
    for start in ("warm", "misled", "turned round"):
        found[f"{start}, no second opinion"] = bayesian(start, is_guarded=False)
    return found


def priors(pools: Sequence[Pool], kept: Path | None, workers: int) -> list[Array]:
    """What the default model predicts by loops for each pool [n], fitted without the pool's workload."""
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return [stored[str(number)] for number in range(len(pools))]
    ids = sorted({pool.workload_id for pool in pools})
    fold = dict(zip(ids, fold_numbers(np.arange(len(ids)), FOLDS, seed=0).tolist(), strict=True))
    found: list[Array] = [np.empty(0)] * len(pools)
    for number in range(FOLDS):
        model = LightGBMModel(compute=Compute(workers))
        model.fit(dataset_of([pool for pool in pools if fold[pool.workload_id] != number]), seed=0)
        for place, pool in enumerate(pools):
            if fold[pool.workload_id] == number:
                found[place] = model.predict(pool.features).mean
        print(f"prior: fold {number + 1} of {FOLDS}", flush=True)
    if kept is not None:
        np.savez(kept, **{str(number): row for number, row in enumerate(found)})
    return found


def spread(pools: Sequence[tuple[Pool, Array]], number: int) -> list[tuple[Pool, Array]]:
    """So many of the pools, at even distances in the order of operator family and target; 0 is all."""
    ordered = sorted(pools, key=lambda pair: (pair[0].family, pair[0].target_id, pair[0].workload_id))
    if not 0 < number < len(ordered):
        return ordered
    return [ordered[round(place)] for place in np.linspace(0, len(ordered) - 1, number)]


def curve(name: str, pool: Pool, prior: Array, seeds: int, trials: int, batch: int) -> Array:
    """Log of best so far over the pool's best [trials], mean over seeds, of the policy of a name."""
    policy = {**POLICIES, **choices()}[name]
    of_seeds = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        part = rng.permutation(len(pool))[: max(2, round(0.9 * len(pool)))]
        latencies = 1.0 / pool.scores[part]
        done = policy(Shown(pool.features[part], prior[part], latencies, rng), trials, batch)
        best = np.minimum.accumulate(latencies[done]) / latencies.min()
        of_seeds.append(np.log(np.append(best, np.full(max(0, trials - len(best)), best[-1]))))
    return np.asarray(np.mean(of_seeds, axis=0))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pools", type=int, default=24, help="so many of the recorded pools; 0: all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--choices", action="store_true", help="design choices too")
    parser.add_argument("--priors", type=Path, help="file that keeps the priors from run to run (.npz)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "search_replay.json")
    chosen = parser.parse_args()
    bundled = list(of_kind("llvm").prior.pools)
    pairs = [
        pair
        for pair in zip(bundled, priors(bundled, chosen.priors, chosen.workers), strict=True)
        if len(pair[0]) >= 100
    ]
    pools = spread(pairs, chosen.pools)
    print(f"{len(pools)} pools, {chosen.seeds} seeds, batches of {chosen.batch}: best so far / best of the pool")
    print(f"{'policy':26}", *(f"{f'N={n}':>20}" for n in AFTER))
    table: dict[str, dict[str, list[float]]] = {}
    names = [*POLICIES, *(choices() if chosen.choices else ())]
    context = multiprocessing.get_context("spawn")  # a fork of a process that has trained models may hang
    with ProcessPoolExecutor(chosen.workers, context, initializer=threadpool_limits, initargs=(1,)) as executor:
        for name in names:
            asked = [
                executor.submit(curve, name, pool, prior, chosen.seeds, chosen.trials, chosen.batch)
                for pool, prior in pools
            ]
            logs = np.asarray([one.result() for one in asked])
            sample = np.random.default_rng(0).integers(len(logs), size=(RESAMPLES, len(logs)))
            table[name] = {}
            for number in AFTER:
                means = logs[:, number - 1][sample].mean(axis=1)
                low, high = np.exp(np.quantile(means, [0.05, 0.95]))
                table[name][str(number)] = [float(np.exp(logs[:, number - 1].mean())), float(low), float(high)]
            print(f"{name:26}", *(f"{m:8.3f} ({lo:.2f}-{hi:.2f})" for m, lo, hi in table[name].values()), flush=True)
    chosen.out.write_text(
        json.dumps({"pools": len(pools), "seeds": chosen.seeds, "batch": chosen.batch, "best_after": table}, indent=1)
        + "\n"
    )
    plot(table, chosen.out.with_suffix(".png"))


def plot(table: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Best so far over the pool's best, a line a policy, with confidence bands."""
    import altair

    values = [
        {"policy": name, "trials": int(number), "mean": mean, "low": low, "high": high}
        for name in POLICIES
        for number, (mean, low, high) in table[name].items()
    ]
    base = altair.Chart(altair.Data(values=values)).encode(
        x=altair.X("trials:Q", scale=altair.Scale(type="log", base=2)),
        color=altair.Color("policy:N", title=None, legend=altair.Legend(symbolOpacity=1.0)),
    )
    title = "best so far / best of the pool"
    line = base.mark_line(point=True).encode(
        y=altair.Y("mean:Q", scale=altair.Scale(type="log", nice=False), title=title)
    )
    band = base.mark_area(opacity=0.12).encode(y="low:Q", y2="high:Q")
    (band + line).properties(width=520, height=340).save(str(path), scale_factor=2)


if __name__ == "__main__":
    main()
