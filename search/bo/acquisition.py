"""Which candidates to measure next: pure functions of a posterior.

Notation: n candidates; `mean` [n] is the posterior mean of log latency (nats, lower is faster), `covariance` [n, n]
the posterior covariance. Nothing here knows a model, a trace or a compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def lower_confidence_bound(mean: FloatArray, std: FloatArray, beta: float) -> FloatArray:
    """The optimistic estimate `mean - beta * std` [n], in nats; the smallest is the best."""
    return mean - beta * std


def expected_improvement(mean: FloatArray, std: FloatArray, best: float) -> FloatArray:
    """How much lower than the best each candidate is expected to be, counting 0 where it is not [n], in nats.

    Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box Functions", 1998, equation 15.

    Args:
        mean: Posterior mean [n] of log latency, nats.
        std: Posterior standard deviation [n], nats.
        best: Log latency of the best so far.
    """
    std = np.maximum(std, 1e-9)
    z = (best - mean) / std
    below = 0.5 * (1.0 + np.array([math.erf(value) for value in z / math.sqrt(2.0)]))  # SciPy takes long to import
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(std * (z * below + density), dtype=np.float64)


def select_batch(
    mean: FloatArray, covariance: FloatArray, size: int, beta: float, noise: float, observed: Sequence[int] = ()
) -> list[int]:
    """Picks a batch greedily by the lower confidence bound.

    Args:
        mean: Posterior mean [n] of log latency, nats.
        covariance: Posterior covariance [n, n], nats squared.
        size: How many to pick.
        beta: The weight of the standard deviation.
        noise: The variance of one measurement, nats squared.
        observed: Indices of candidates that are being measured; see `select_batch_by`.

    Returns:
        Indices of the picks, in order.
    """
    return select_batch_by(lambda std: lower_confidence_bound(mean, std, beta), covariance, size, noise, observed)


def select_batch_by(
    score: Callable[[FloatArray], FloatArray],
    covariance: FloatArray,
    size: int,
    noise: float,
    observed: Sequence[int] = (),
) -> list[int]:
    """Picks a batch greedily by a score, with hallucinated observations in between.

    After each pick the covariance is conditioned on the pick as if its mean had been observed, so that
    look-alikes lose their uncertainty and the batch spreads (GP-BUCB: Desautels, Krause, Burdick, "Parallelizing
    Exploration-Exploitation Tradeoffs in Gaussian Process Bandit Optimization", JMLR 2014, section 4). Candidates that
    are still being measured are hallucinated in the same way, before the first pick.

    Args:
        score: Gives the scores of all candidates [n] for their standard deviations [n]; the smallest is picked.
        covariance: Posterior covariance [n, n], nats squared.
        size: How many to pick; all when there are fewer.
        noise: The variance of one measurement, nats squared; must be positive.
        observed: Indices of candidates that are being measured: conditioned on, and not picked.

    Returns:
        Indices of the picks, in order.
    """
    remaining = covariance.astype(np.float64, copy=True)
    open_ = np.ones(len(covariance), dtype=bool)

    def hallucinate(place: int) -> None:
        open_[place] = False
        column = remaining[:, place].copy()  # [n]
        remaining[...] -= np.outer(column, column) / (column[place] + noise)

    for place in observed:
        hallucinate(place)
    picks: list[int] = []
    for _ in range(min(size, int(open_.sum()))):
        std = np.sqrt(np.clip(np.diag(remaining), 0.0, None))
        picks.append(int(np.argmin(np.where(open_, score(std), np.inf))))
        hallucinate(picks[-1])
    return picks
