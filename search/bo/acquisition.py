"""Which candidates to measure next: pure functions of a posterior.

Notation: n candidates; `mean` [n] is the posterior mean of log latency (nats, lower is faster), `covariance` [n, n]
the posterior covariance. Nothing here knows a model, a trace or a compiler.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def lower_confidence_bound(mean: FloatArray, std: FloatArray, beta: float) -> FloatArray:
    """The optimistic estimate `mean - beta * std` [n], in nats; the smallest is the most promising."""
    return mean - beta * std


def select_batch(mean: FloatArray, covariance: FloatArray, size: int, beta: float, noise: float) -> list[int]:
    """Picks a batch greedily by the lower confidence bound, of weight `beta`; see `select_batch_by`."""
    return select_batch_by(lambda std: lower_confidence_bound(mean, std, beta), covariance, size, noise)


def select_batch_by(
    score: Callable[[FloatArray], FloatArray], covariance: FloatArray, size: int, noise: float
) -> list[int]:
    """Picks a batch greedily by a score, with hallucinated observations in between.

    After each pick the covariance is conditioned on the pick as if its mean had been observed, so that
    look-alikes lose their uncertainty and the batch spreads (GP-BUCB: Desautels, Krause, Burdick, "Parallelizing
    Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization", JMLR 2014, section 4).

    Args:
        score: of all candidates [n], given their standard deviations [n]; the smallest is picked.
        covariance: posterior covariance [n, n], nats squared.
        size: how many to pick; all n when there are fewer.
        noise: variance of one measurement, nats squared; must be positive.

    Returns:
        Indices of the picks, in order.
    """
    remaining = covariance.astype(np.float64, copy=True)
    open_ = np.ones(len(covariance), dtype=bool)
    picks: list[int] = []
    for _ in range(min(size, len(covariance))):
        std = np.sqrt(np.clip(np.diag(remaining), 0.0, None))
        pick = int(np.argmin(np.where(open_, score(std), np.inf)))
        picks.append(pick)
        open_[pick] = False
        column = remaining[:, pick].copy()  # [n]
        remaining -= np.outer(column, column) / (column[pick] + noise)
    return picks
