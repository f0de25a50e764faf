"""What a log's run times say: a latency, a failure, or figures that no machine has."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunedb.records import Outcome

SHORTEST_SECS = 1e-9
"""No call of a kernel is over sooner, on any machine: what is said to be is an error of a clock, a unit or a file."""

FAILED_SECS = 1e8
"""AutoTVM, Ansor and MetaSchedule write 1e9 or 1e10 where there is no run time; no run takes three years."""

_SHOWN = 8


def outcome_of(run_secs: Sequence[float]) -> tuple[Outcome, tuple[float, ...], str]:
    """How a measurement ended that has these run times.

    A trial is never believed in part: with one figure that cannot be, it is a failed one, and says why.

    Args:
        run_secs: the run time of each repeat in seconds, at least one; any float, NaN included.

    Returns:
        The outcome, the run times of a good trial, and the reason of a failed one; "" where the log gives none.
    """
    if all(SHORTEST_SECS <= secs < FAILED_SECS for secs in run_secs):
        return Outcome.OK, tuple(map(float, run_secs)), ""
    if any(FAILED_SECS <= secs < float("inf") for secs in run_secs):
        return Outcome.FAILED, (), ""
    wrong = next(secs for secs in run_secs if not SHORTEST_SECS <= secs < FAILED_SECS)
    shown = ", ".join(str(secs) for secs in run_secs[:_SHOWN]) + (", ..." if len(run_secs) > _SHOWN else "")
    among = f" (all: {shown})" if len(run_secs) > 1 else ""
    return Outcome.FAILED, (), f"a run time of {wrong} seconds, which no machine has{among}"


def pooled(least_secs: Sequence[float]) -> float:
    """The latency of a schedule: the geometric mean of what its passes say, as `tunedb.query.estimates` explains.

    Args:
        least_secs: the least run time of each pass in seconds, at least one, all positive, in any order.
    """
    if len(least_secs) == 1:
        return least_secs[0]
    return math.exp(math.fsum(map(math.log, least_secs)) / len(least_secs))
