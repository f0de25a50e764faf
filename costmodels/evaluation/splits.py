"""How good a cost model is on workloads, operators and targets that it has not seen.

A pool is what was measured of one workload on one target. For each split, models are fitted on some pools and rank the
candidates of others; each figure is of one pool, or the mean over all pools of a split, with a bootstrap interval over
workloads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from costmodels import metrics
from costmodels.dataset import Pool, dataset_of, fold_numbers
from costmodels.evaluation.folds import SPLITS, some_trials, work_of
from costmodels.evaluation.networks import Calls, of_network
from costmodels.model import CostModel, Prediction

METRICS = ("top1", "top5", "top16", "peak1", "peak5", "pairwise", "spearman", "rmse", "coverage90")
_CURVE_FOLDS = 3  # each of its points takes so many fits
_RESAMPLES = 2000
_INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one model on one split: of a workload, or of all (the mean)."""

    split: str
    model: str
    target_id: str
    metric: str
    workload_id: str | None  # a network's name, where networks are left out; None for the mean over all
    name: str
    value: float
    low: float | None = None  # 90% bootstrap interval over workloads, for means
    high: float | None = None


class Few(StrEnum):
    """What becomes of the few trials of a new target."""

    REFIT = "refit"  # they join the others, and a model is fitted to all
    UPDATE = "update"  # a model of the others learns from them on top
    ALONE = "alone"  # a model is fitted to them only


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a model said of a pool that it had not seen."""

    split: str
    model: str
    pool: Pool
    predicted: Prediction


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a learning curve: the mean of a metric over workloads unseen, after so many trials."""

    num_trials: int
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures, the means first, and the predictions that they are of."""

    figures: list[Figure]
    rankings: list[Ranking]


def evaluate(
    pools: Sequence[Pool],
    models: Mapping[str, Callable[[], CostModel]],
    splits: Sequence[str] = SPLITS,
    *,
    target_ids: Sequence[str] | None = None,
    pooled: bool = True,
    few: Few = Few.REFIT,
    seed: int = 0,
    calls: Calls | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Judges each model on each split, a workload at a time and in the mean.

    Args:
        pools: from `costmodels.pools.read_pools`, of the targets to be tested on and of others to be learned from.
        models: what makes a fresh model, by name.
        splits: some of `SPLITS` and `SHOTS`; one that the pools do not allow gives nothing (a single target cannot be
            left out).
        target_ids: targets to be tested on; all of the pools' by default.
        pooled: whether other targets' pools are learned from too.
        few: what becomes of the few trials that the splits of `SHOTS` give.
        seed: of models, folds and bootstrap.
        calls: how often networks call workloads, for leave-network-out, whose figures are of networks.
        on_progress: called with fits done, fits in all and what is being fitted.
    """
    work = work_of(pools, splits, target_ids=target_ids, pooled=pooled, seed=seed, calls=calls)
    found: list[Figure] = []
    rankings: list[Ranking] = []
    done = 0
    for split, target_id, fold in work:
        fitted: dict[str, CostModel] = {}
        for name, make in models.items():
            if on_progress is not None:
                on_progress(done, len(work) * len(models), f"{split}: {name}")
            if name in fitted:
                model = fitted[name]
            else:
                model = make()
                known = [*fold.few] if few is Few.ALONE and fold.few else fold.train
                model.fit(dataset_of([*known, *fold.few] if few is Few.REFIT else known), seed=seed)
                if few is Few.UPDATE and fold.few:
                    model = model.updated(dataset_of(fold.few), seed=seed)
                fitted.update(model.parts)
            values: dict[int, dict[str, float]] = {}
            for pool in fold.test:
                rankings.append(Ranking(split, name, pool, model.predict_compiled(pool.features, pool.code)))
                values[id(pool)] = judged(pool, rankings[-1].predicted)
            rows = [(pool.workload_id, pool.name, values[id(pool)]) for pool in fold.test]
            if fold.networks is not None and calls is not None:
                rows = [
                    (network, network, of_network([(pool, values[id(pool)]) for pool in its], calls[network]))
                    for network, its in fold.networks.items()
                ]
            found += [
                Figure(split, name, target_id, metric, key, text, value)
                for key, text, figures in rows
                for metric, value in figures.items()
            ]
            done += 1
    return Evaluation([*means(found, seed=seed), *found], rankings)


def learning_curve(
    pools: Sequence[Pool],
    make: Callable[[], CostModel],
    target_ids: Sequence[str],
    *,
    shares: Sequence[float] = (0.1, 0.3, 1.0),
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[Point]:
    """How figures grow with the trials that a model learns from: random parts of each pool, workloads unseen.

    Args:
        pools: as `evaluate` takes them.
        make: what makes a fresh model.
        target_ids: targets to be tested on.
        shares: of the trials of each pool.
        seed: of the parts, folds and models.
        on_progress: called with fits done, fits in all and what is being fitted.
    """
    tested = [pool for pool in pools if pool.target_id in target_ids and not pool.is_background]
    workload_ids = sorted({pool.workload_id for pool in tested})
    fold = fold_numbers(np.arange(len(workload_ids)), _CURVE_FOLDS, seed=seed)
    fold_of = dict(zip(workload_ids, fold.tolist(), strict=True))
    points = []
    done, total = 0, len(shares) * len(set(fold_of.values()))
    for share in shares:
        rng = np.random.default_rng(seed)
        parts = [next(some_trials([pool], max(2, round(share * len(pool))), rng)) for pool in pools]
        values: list[dict[str, float]] = []
        sizes: list[int] = []
        for number in sorted(set(fold_of.values())):
            train = [part for part in parts if fold_of.get(part.workload_id) != number]
            model = make()
            model.fit(dataset_of(train), seed=seed)
            sizes.append(sum(map(len, train)))
            values += [
                judged(pool, model.predict_compiled(pool.features, pool.code))
                for pool in tested
                if fold_of[pool.workload_id] == number
            ]
            done += 1
            if on_progress is not None:
                on_progress(done, total, "learning curve")
        for metric in METRICS:
            of_metric = [row[metric] for row in values if metric in row]
            points.append(Point(round(float(np.mean(sizes))), metric, float(np.mean(of_metric))))
    return points


def judged(pool: Pool, predicted: Prediction) -> dict[str, float]:
    """All metrics of a prediction for one pool; those that are undefined are left out."""
    errors = -np.log(pool.scores) - predicted.mean
    errors = errors - errors.mean()  # a constant per workload is nobody's error
    within = np.abs(errors) <= 1.645 * predicted.std
    values = {
        **{f"top{k}": metrics.top_k(pool.scores, predicted.mean, k) for k in (1, 5, 16)},
        **{f"peak{k}": metrics.peak(pool.scores, predicted.mean, k) for k in (1, 5)},
        "pairwise": metrics.pairwise_accuracy(pool.scores, predicted.mean),
        "spearman": metrics.spearman(pool.scores, predicted.mean),
        "rmse": float(np.sqrt(np.mean((np.exp(predicted.mean.min() - predicted.mean) - pool.scores) ** 2))),
        "coverage90": float(within.mean()),
    }
    return {name: value for name, value in values.items() if not math.isnan(value)}


def means(figures: Sequence[Figure], *, seed: int = 0) -> list[Figure]:
    """The mean over workloads of each split, model, target and metric, with its 90% bootstrap interval."""
    groups: dict[tuple[str, str, str, str], list[float]] = {}
    for row in figures:
        groups.setdefault((row.split, row.model, row.target_id, row.metric), []).append(row.value)
    made = []
    for (split, model, target_id, metric), values in groups.items():
        sample = np.random.default_rng(seed).choice(values, size=(_RESAMPLES, len(values)))
        low, high = np.quantile(sample.mean(axis=1), [(1 - _INTERVAL) / 2, (1 + _INTERVAL) / 2])
        made.append(Figure(split, model, target_id, metric, None, "", float(np.mean(values)), float(low), float(high)))
    return made
