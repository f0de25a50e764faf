"""How good a cost model is on workloads, operators and targets that it has not seen.

A pool is what was measured of one workload on one target. For each split, models are fitted on some pools and rank the
candidates of others; each figure is of one pool, or the mean over all pools of a split, with a bootstrap interval over
workloads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodels import metrics
from costmodels.dataset import fold_numbers
from costmodels.model import CostModel, Prediction
from costmodels.pools import Pool, dataset_of
from tunedb.errors import UsageError

SPLITS = ("leave-one-workload-out", "leave-operator-family-out", "leave-target-out")
METRICS = ("top1", "top5", "top16", "peak1", "peak5", "pairwise", "spearman", "rmse", "coverage90")
_TARGET_FOLDS = 5
_RESAMPLES = 2000
_INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one model on one split: of a workload, or of all (the mean)."""

    split: str
    model: str
    target_id: str
    metric: str
    workload_id: str | None  # None for the mean over workloads
    name: str
    value: float
    low: float | None = None  # 90% bootstrap interval over workloads, for means
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """Pools to learn from, and pools to be judged by."""

    train: list[Pool]
    test: list[Pool]


def folds(split: str, pools: Sequence[Pool], target_id: str, *, pooled: bool = True, seed: int = 0) -> Iterator[Fold]:
    """The folds of a split, for one target to be tested on. A workload never stands on both sides.

    Args:
        split: one of `SPLITS`.
        pools: of all targets.
        target_id: the one to be tested on.
        pooled: whether other targets' pools are learned from too; leave-target-out has nothing else.
        seed: of the folds that leave-target-out is tested in, so that its workloads are unseen as well.

    Raises:
        UsageError: there is no such split.
    """
    own = [pool for pool in pools if pool.target_id == target_id]
    others = [pool for pool in pools if pool.target_id != target_id]
    known = others + own if pooled else own
    if split == "leave-one-workload-out":
        for workload_id in sorted({pool.workload_id for pool in own}):
            test = [pool for pool in own if pool.workload_id == workload_id]
            yield Fold([pool for pool in known if pool.workload_id != workload_id], test)
    elif split == "leave-operator-family-out":
        for family in sorted({pool.family for pool in own}):
            test = [pool for pool in own if pool.family == family]
            yield Fold([pool for pool in known if pool.family != family], test)
    elif split == "leave-target-out":
        workload_ids = sorted({pool.workload_id for pool in own})
        fold = fold_numbers(np.arange(len(workload_ids)), _TARGET_FOLDS, seed=seed)
        for number in sorted(set(fold.tolist())):
            unseen = {workload_id for workload_id, its in zip(workload_ids, fold, strict=True) if its == number}
            test = [pool for pool in own if pool.workload_id in unseen]
            yield Fold([pool for pool in others if pool.workload_id not in unseen], test)
    else:
        raise UsageError(f"no split {split!r}: there are {', '.join(SPLITS)}")


def evaluate(
    pools: Sequence[Pool],
    models: Mapping[str, Callable[[], CostModel]],
    splits: Sequence[str] = SPLITS,
    *,
    target_ids: Sequence[str] | None = None,
    pooled: bool = True,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[Figure]:
    """Figures of each model on each split, a workload at a time and in the mean.

    Args:
        pools: from `costmodels.pools.read_pools`, of the targets to be tested on and of others to be learned from.
        models: what makes a fresh model, by name.
        splits: some of `SPLITS`; one that the pools do not allow (a single target cannot be left out) gives nothing.
        target_ids: targets to be tested on; all of the pools' by default.
        pooled: whether other targets' pools are learned from too.
        seed: of models, folds and bootstrap.
        on_progress: called with fits done, fits in all and what is being fitted.
    """
    tested = sorted({pool.target_id for pool in pools} if target_ids is None else set(target_ids))
    work = [
        (split, target_id, fold)
        for split in splits
        for target_id in tested
        for fold in folds(split, pools, target_id, pooled=pooled, seed=seed)
        if fold.train and fold.test
    ]
    found: list[Figure] = []
    done = 0
    for split, target_id, fold in work:
        for name, make in models.items():
            model = make()
            model.fit(dataset_of(fold.train), seed=seed)
            for pool in fold.test:
                figures = judged(pool, model.predict(pool.features))
                found += [
                    Figure(split, name, target_id, metric, pool.workload_id, pool.name, value)
                    for metric, value in figures.items()
                ]
            done += 1
            if on_progress is not None:
                on_progress(done, len(work) * len(models), f"{split}: {name}")
    return [*means(found, seed=seed), *found]


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
        "rmse": float(np.sqrt(np.mean((np.exp(-np.maximum(predicted.mean, 0.0)) - pool.scores) ** 2))),
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
