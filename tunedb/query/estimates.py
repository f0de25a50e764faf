"""How fast a schedule is, from all measurements of it, and which schedules cannot be told apart.

This is the one definition of the latency of a schedule: wherever one is shown without another name, it is `secs` of the
estimate that pools all its passes on one machine, for one target, under one kind of conditions.

Noise on a shared machine is one-sided (a run is only ever slowed down) and drifts (runs in a row share their luck).
So each round, the runs of one trial, counts as one observation: the logarithm of its minimum. Rounds differ by drift,
which is estimated from the rounds themselves, pulled towards what was found between rounds on shared machines:

    x_i = log(min of round i)                             i = 1..k
    s^2 = (v0 s0^2 + sum_i (x_i - mean x)^2) / (v0 + k - 1)
    interval = mean x +- t(v0 + k - 1) s / sqrt(k)        Student's t

This is the posterior of a normal mean under a scaled inverse chi-squared prior on the variance (Gelman et al.,
"Bayesian Data Analysis", third edition, section 3.3). Pure functions; seconds in, seconds out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tunedb.run_times import pooled

# The same built modules measured twice, minutes apart, differed by 3 to 16% in the median, which is a standard
# deviation of 0.03 to 0.17 a round (the logs in data/, see its README).
DRIFT_STD = 0.08
DRIFT_WEIGHT = 4.0  # rounds that this prior is worth
CONFIDENCE = 0.90


@dataclass(frozen=True, slots=True)
class Estimate:
    """The latency of one schedule on one machine."""

    secs: float
    low_secs: float  # 90% interval
    high_secs: float
    num_rounds: int
    num_runs: int
    std_error: float  # of the logarithm of `secs`


def estimate(rounds: Sequence[Sequence[float]]) -> Estimate:
    """Pools the rounds of one schedule.

    Args:
        rounds: the run times of each trial of it, in seconds; every round has at least one, all positive.

    Raises:
        ValueError: there is no round, or an empty one.
    """
    if not rounds or not all(rounds):
        raise ValueError("an estimate needs at least one round with at least one run")
    least = [min(runs) for runs in rounds]
    logs = list(map(math.log, least))
    count = len(logs)
    mean = math.fsum(logs) / count
    freedom = DRIFT_WEIGHT + count - 1
    variance = (DRIFT_WEIGHT * DRIFT_STD**2 + math.fsum((x - mean) ** 2 for x in logs)) / freedom
    std_error = math.sqrt(variance / count)
    half = student_t(freedom) * std_error
    return Estimate(
        pooled(least), math.exp(mean - half), math.exp(mean + half), count, sum(map(len, rounds)), std_error
    )


def tied(one: Estimate, other: Estimate) -> bool:
    """Whether the difference of two estimates is within its own 90% interval."""
    freedom = 2 * (DRIFT_WEIGHT - 1) + one.num_rounds + other.num_rounds
    return abs(math.log(one.secs / other.secs)) <= student_t(freedom) * math.hypot(one.std_error, other.std_error)


def student_t(freedom: float) -> float:
    """The two-sided 90% quantile of Student's t.

    By the Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5): within 0.3% from 4 degrees of freedom on.
    """
    z = 1.6448536269514722
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
