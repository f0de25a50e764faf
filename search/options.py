"""What a tuning run is asked for besides tasks, store and target: the same for a caller, a command and a service."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search.caches import Caches
from search.contract import TunerFactory
from tunedb.errors import UsageError
from tunedb.identity import conditions_of

STRATEGIES = ("bo", "evolutionary", "random")
_LONGEST_SECS = 1e6
WITHOUT_END = 1_000_000
"""So many trials, or more, are no number of trials: something else is to end the run."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """How to tune. All but a strategy of one's own can be written as JSON.

    Args:
        trials: How many candidates to measure, over all tasks. 0 measures none: "bo" then says, for each task, which
            schedule it believes to be the best, and compiles it.
        strategy: "bo" (Bayesian optimization), "evolutionary" (stock: evolutionary search with its XGBoost model) or
            "random" (stock's replay-trace); or what makes a tuner for each task.
        seed: The seed of all randomness.
        use_prior: False starts "bo" cold: without a cost model that has learned anything (a roofline stands in for
            it), and without what the store knows of the workloads.
        batch_size: Candidates between two updates; None is stock's 64 (or `trials`) for stock's strategies, and 8 for
            others.
        check: Whether in the end the fastest schedules are measured again, in turn, until they can be told apart (see
            `TaskReport.passes`), and the outputs of the best compared with those of the untuned program.
        caches: What the caches hold when a candidate is called. All but "hot" and "flushed" are this machine's CPU's.
        run_timeout_secs: The longest measurement of one candidate; None is the device's own limit.
        build_timeout_secs: The longest build of one; None is the device's own limit, which it lowers where builds
            usually take much less.
        limit_secs: After so many seconds the caller stops the run, whose last quarter refines what was found.
        beta: The weight of uncertainty in what "bo" measures next: where it is large, trials go where the model knows
            the least, as suits a collection that a model will learn from.
        least_gain: With several tasks, end once the next batches are expected to save less than this share of the
            time of all tasks together.

    Raises:
        UsageError: An unknown strategy, a time that is not positive, a negative count, no trials for a strategy that
            must measure.
    """

    trials: int
    strategy: str | TunerFactory = "bo"
    seed: int = 0
    use_prior: bool = True
    batch_size: int | None = None
    check: bool = True
    caches: Caches = Caches.HOT
    run_timeout_secs: float | None = None
    build_timeout_secs: float | None = None
    least_gain: float = 0.0
    limit_secs: float | None = None
    beta: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.strategy, str) and self.strategy not in STRATEGIES:
            raise UsageError(f"unknown strategy {self.strategy!r}: choose one of {', '.join(STRATEGIES)}")
        if self.trials < 0 or (self.trials == 0 and self.strategy != "bo"):
            least = 0 if self.strategy == "bo" else 1
            raise UsageError(f"trials must be at least {least} with {self.strategy_name}, not {self.trials}")
        if not 0 <= self.least_gain < 1:
            raise UsageError(
                f"the least gain is a share of the time of all tasks, from 0 to 1, not {self.least_gain:g}"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"a batch has at least one candidate, not {self.batch_size}")
        if not 0 <= self.beta < math.inf:
            raise UsageError(f"beta is a weight, 0 or more, not {self.beta:g}")
        for name in ("run_timeout", "build_timeout", "limit"):
            secs = getattr(self, f"{name}_secs")
            if secs is not None and not 0 < secs <= _LONGEST_SECS:
                told = name.replace("_", "-")
                raise UsageError(f"{told} is in seconds, more than 0 and at most {_LONGEST_SECS:g}, not {secs:g}")

    @property
    def conditions(self) -> str:
        """The conditions of measurement, as trials have them."""
        return conditions_of(caches=None if self.caches is Caches.HOT else self.caches.value)

    @property
    def strategy_name(self) -> str:
        """The strategy's name, for records and reports."""
        return self.strategy if isinstance(self.strategy, str) else self.strategy.name
