"""How well a ranking of candidates serves a search. Pure functions of one workload's pool, and their mean over pools.

scores     [n]  best latency / latency, in (0, 1]; higher is faster
predicted  [n]  predicted cost; lower is faster (any monotone unit)
groups     [n]  workload of each row
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOP = (1, 5, 16)


def top_k(scores: NDArray[np.float64], predicted: NDArray[np.float64], k: int) -> float:
    """Best latency of the pool over the best latency among the `k` predicted to be fastest; 1 is perfect."""
    chosen = np.argsort(predicted, kind="stable")[:k]
    return float(scores[chosen].max() / scores.max())


def peak(scores: NDArray[np.float64], predicted: NDArray[np.float64], k: int) -> float:
    """TenSet's peak@k: the mean over i = 1..k of the best latency over the best among the first i predicted."""
    chosen = np.argsort(predicted, kind="stable")[:k]
    return float((np.maximum.accumulate(scores[chosen]) / scores.max()).mean())


def top_k_of_sums(best_secs: NDArray[np.float64], found_secs: NDArray[np.float64]) -> float:
    """Sum of the best latencies over the sum of the best among the top k, over workloads [g] (seconds).

    The form that TLP reports when each workload is weighted by its latency.
    """
    return float(best_secs.sum() / found_secs.sum())


def pairwise_accuracy(scores: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Share of pairs of unlike score that are put in the right order; a predicted tie counts half; NaN if none."""
    upper = np.triu_indices(len(scores), 1)
    actual = np.sign(scores[:, None] - scores[None, :])[upper]
    ordered = np.sign(predicted[None, :] - predicted[:, None])[upper]
    unlike = actual != 0
    return float((0.5 + 0.5 * actual[unlike] * ordered[unlike]).mean()) if unlike.any() else float("nan")


def spearman(scores: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Rank correlation of score and predicted speed; NaN when either is constant."""
    a, b = _ranks(scores), _ranks(-predicted)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def mean_over_groups(
    metric: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    scores: NDArray[np.float64],
    predicted: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> float:
    """Mean of a metric over the workloads where it is defined; NaN when it is nowhere."""
    values = [metric(scores[groups == g], predicted[groups == g]) for g in np.unique(groups)]
    defined = [v for v in values if not np.isnan(v)]
    return float(np.mean(defined)) if defined else float("nan")


def summary(scores: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[np.int64]) -> dict[str, float]:
    """Means over workloads of top1, top5, top16, pairwise and spearman; those undefined are left out."""
    metrics: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], float]] = {
        **{f"top{k}": lambda s, p, k=k: top_k(s, p, k) for k in _TOP},  # type: ignore[misc]
        "pairwise": pairwise_accuracy,
        "spearman": spearman,
    }
    found = {name: mean_over_groups(metric, scores, predicted, groups) for name, metric in metrics.items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks [n] from 0, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
