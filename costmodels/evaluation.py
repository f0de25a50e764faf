"""How good a cost model is on workloads, operators and targets that it has not seen.

A pool is what was measured of one workload on one target. For each split, models are fitted on some pools and rank the
candidates of others; each figure is of one pool, or the mean over all pools of a split, with a bootstrap interval over
workloads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from costmodels import metrics
from costmodels.dataset import Dataset, best_secs, fold_numbers
from costmodels.model import CostModel, Prediction
from costmodels.training import features_of
from tunedb.errors import NotFoundError, UsageError
from tunedb.records import Outcome, Target
from tunedb.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS = ("leave-one-workload-out", "leave-operator-family-out", "leave-target-out")
METRICS = ("top1", "top5", "top16", "peak1", "peak5", "pairwise", "spearman", "rmse", "coverage90")
_TARGET_FOLDS = 5
_RESAMPLES = 2000
_INTERVAL = 0.9
_FEWEST = 2  # trials of a pool that can be ranked


@dataclass(frozen=True, slots=True)
class Pool:
    """What was measured of one workload on one target."""

    workload_id: str
    name: str
    family: str
    target_id: str
    features: NDArray[np.float64]  # [n, d]
    scores: NDArray[np.float64]  # [n] best latency / latency
    trial_ids: tuple[str, ...]


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


def family_of(name: str) -> str:
    """The operator that a workload's name begins with."""
    return name.split(" ", maxsplit=1)[0] if name else "unknown"


def read_pools(
    store: Store,
    targets: Sequence[Target],
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Pool]:
    """The pools of some targets, with features from the cache or from child processes.

    Raises:
        NotFoundError: there is nothing to be ranked.
    """
    names = {row.workload_id: row.name for row in store.workloads()}
    pools = []
    for target in targets:
        good = list(store.trials(target_id=target.target_id, outcome=Outcome.OK))
        rows, _, _ = features_of(store, target, good, workers=workers, on_progress=on_progress)
        best = best_secs(good)
        by_workload: dict[str, list[int]] = {}
        for place, trial in enumerate(good):
            if trial.trial_id in rows:
                by_workload.setdefault(trial.workload_id, []).append(place)
        for workload_id, places in sorted(by_workload.items()):
            trials = [good[place] for place in places]
            if len(trials) < _FEWEST:
                continue
            scores = [best[(t.workload_id, t.target_id, t.hardware_id)] / t.run_secs_median for t in trials]
            pools.append(
                Pool(
                    workload_id,
                    names[workload_id],
                    family_of(names[workload_id]),
                    target.target_id,
                    np.stack([rows[t.trial_id] for t in trials]),
                    np.asarray(scores),
                    tuple(t.trial_id for t in trials),
                )
            )
    if not pools:
        raise NotFoundError("the store has no good trials whose features can be had")
    return pools


def folds(split: str, pools: Sequence[Pool], target_id: str, *, seed: int = 0) -> Iterator[Fold]:
    """The folds of a split, for one target to be tested on. A workload never stands on both sides.

    Raises:
        UsageError: there is no such split.
    """
    own = [pool for pool in pools if pool.target_id == target_id]
    if split == "leave-one-workload-out":
        for pool in own:
            yield Fold([other for other in own if other.workload_id != pool.workload_id], [pool])
    elif split == "leave-operator-family-out":
        for family in sorted({pool.family for pool in own}):
            yield Fold([p for p in own if p.family != family], [p for p in own if p.family == family])
    elif split == "leave-target-out":
        others = [pool for pool in pools if pool.target_id != target_id]
        fold = fold_numbers(np.arange(len(own)), _TARGET_FOLDS, seed=seed) if own else np.empty(0)
        for number in range(int(fold.max()) + 1 if len(fold) else 0):
            test = [pool for pool, its in zip(own, fold, strict=True) if its == number]
            unseen = {pool.workload_id for pool in test}
            yield Fold([pool for pool in others if pool.workload_id not in unseen], test)
    else:
        raise UsageError(f"no split {split!r}: there are {', '.join(SPLITS)}")


def evaluate(
    pools: Sequence[Pool],
    models: Mapping[str, Callable[[], CostModel]],
    splits: Sequence[str] = SPLITS,
    *,
    target_ids: Sequence[str] | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[Figure]:
    """Figures of each model on each split, a workload at a time and in the mean.

    Args:
        pools: from `read_pools`.
        models: what makes a fresh model, by name.
        splits: some of `SPLITS`; one that the pools do not allow (a single target cannot be left out) gives nothing.
        target_ids: targets to be tested on; all of the pools' by default.
        seed: of models, folds and bootstrap.
        on_progress: called with fits done, fits in all and what is being fitted.
    """
    tested = sorted({pool.target_id for pool in pools} if target_ids is None else set(target_ids))
    work = [
        (split, target_id, fold)
        for split in splits
        for target_id in tested
        for fold in folds(split, pools, target_id, seed=seed)
        if len(fold.train) >= 1 and fold.test
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


def dataset_of(pools: Sequence[Pool]) -> Dataset:
    """Pools as what a model is fitted to; the same workload on two targets is two groups."""
    return Dataset(
        np.concatenate([pool.features for pool in pools]),
        np.concatenate([pool.scores for pool in pools]),
        np.concatenate([np.full(len(pool.scores), number) for number, pool in enumerate(pools)]),
        tuple(pool.workload_id for pool in pools),
        tuple(trial_id for pool in pools for trial_id in pool.trial_ids),
    )


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
