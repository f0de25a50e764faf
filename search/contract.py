"""The contract of what chooses candidates: ask for proposals, tell results. It knows no host that drives it.

MetaSchedule's strategy, a task scheduler of our own or a fleet are users of it, and the baselines in `benchmarks/` keep
it too: a host asks for as many proposals as it can measure, measures them where and when it likes, and tells what came
of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from search.measure.device import Measurement
from tunedb.query.estimates import estimate
from tunedb.records import Outcome, Trace, Workload

if TYPE_CHECKING:
    import numpy as np

    from search.space.funnel import Funnel
    from search.space.spaces import Candidate, DesignSpaces

_FEWEST_MEASURED = 8  # before so many, nothing is said against a prior
_POOR_CORRELATION = 0.1
_POOR_WEIGHT = 0.6


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate that is to be measured."""

    number: int  # of the tuner's proposals, from 0: what its result names
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a proposal."""

    number: int  # the proposal's
    run_secs: float | None  # estimated latency, as if the machine had been at its best; None for a failure
    outcome: Outcome = Outcome.OK

    @property
    def is_good(self) -> bool:
        """Whether there is a latency."""
        return self.run_secs is not None


def result_of(number: int, measured: Measurement, drift: float) -> Result:
    """What a tuner is told of a measurement: its latency as the store estimates it, corrected for drift.

    Args:
        number: Of the proposal.
        measured: What came of it.
        drift: How many times slower than at its best the machine was, unless the measurement knows better.
    """
    drift = drift if measured.drift is None else measured.drift
    if measured.outcome is not Outcome.OK:
        return Result(number, None, measured.outcome)
    return Result(number, estimate([measured.run_secs]).secs / drift)


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a run's measurements bear the prior out."""

    num_measured: int
    rank_correlation: float  # of predicted and measured latency (Spearman); NaN while it is undefined
    weight: float  # of the prior mean in the posterior: 1 is as it came, 0 is not listened to
    stand_in: str = ""  # the kind of model that takes the prior's place when it misleads; empty for none

    @property
    def is_misleading(self) -> bool:
        """Whether the prior says less than it seemed to, and the search has turned from it."""
        poor = self.rank_correlation < _POOR_CORRELATION and self.weight < _POOR_WEIGHT
        return poor and self.num_measured >= _FEWEST_MEASURED

    def __str__(self) -> str:
        """What came of a prior that misleads."""
        found = f"rank correlation {self.rank_correlation:.2f} with {self.num_measured} measurements"
        if self.stand_in:
            return f"{found}; a {self.stand_in} took its place"
        return f"{found}; its weight is {self.weight:.2f}"


class Tuner(ABC):
    """Chooses the candidates of one task.

    **Ownership.** The tuner owns its design spaces and every candidate that it proposed; the host owns the measuring
    and says which proposals are still under way. `close` ends the tuner's threads.

    **Threads.** One call at a time: a host with several threads holds a lock. Calls may come from different threads.

    **Determinism.** The same task, seed, model and history, and the same sequence of calls with the same arguments,
    give the same proposals. The order of results within one `tell` is part of that sequence.
    """

    @abstractmethod
    def ask(self, number: int, pending: Collection[int] = ()) -> list[Proposal]:
        """Proposes what to measure next.

        Args:
            number: The largest number of proposals that the host has a use for.
            pending: Numbers of earlier proposals that are still being measured. None of these candidates is proposed
                again, and their uncertainty counts as if they had been observed at their posterior means. A proposal
                that is neither pending nor has a result was given up by the host; it may be proposed again.

        Returns:
            At most `number` proposals, each of another program than all that have a result or are pending. They may be
            fewer: where every result is worth much, a tuner may want to learn from some first. None at all means that
            nothing is left to propose now; with results still pending it may be asked again after they are told.

        Raises:
            UsageError: `pending` names what was never proposed or has a result.
        """

    @abstractmethod
    def tell(self, results: Sequence[Result]) -> None:
        """Learns what came of proposals, of one or of many, in any order.

        Args:
            results: At most one for each proposal.

        Raises:
            UsageError: A result is of no proposal, or of one that has a result already.
        """

    @property
    def trust(self) -> Trust | None:
        """How far the results bear out the cost model that the tuner started from; None where it has none."""
        return None

    @property
    def funnel(self) -> Funnel | None:
        """How many candidates the tuner tried, and what refused them before any was proposed; None: it cannot tell."""
        return None

    def expected_gain(self, best_secs: float) -> float | None:
        """By how much the next measurement may beat the best so far, failures and noise counted.

        Args:
            best_secs: The latency of the task's best schedule.

        Returns:
            The expected improvement, in nats of latency; None where the tuner cannot tell.
        """
        del best_secs
        return None

    def close(self) -> None:  # noqa: B027 - not every tuner starts something
        """Ends what the tuner started; nothing may be asked afterwards."""


@dataclass(frozen=True, slots=True)
class TunerTask:
    """What a tuner is made for."""

    workload: Workload
    make_spaces: Callable[[np.random.Generator], DesignSpaces]  # the task's, drawing from a source of randomness
    trials: int  # that this task may take, if no other task takes them
    batch_size: int = 8  # results between two questions
    seed: int = 0
    carried: tuple[Trace, ...] = ()  # the best schedules of tasks of this run that are like it, the nearest first
    nearest: float = math.inf  # how far the nearest of them is away, in nats a dimension
    share: float | None = None  # of its network's time, which it is believed to take; None where it is alone
    share_left: Callable[[], float] | None = field(default=None, compare=False)
    """The share of the run's trials that is left, where several tasks share them; None: the tuner counts its own."""


class TunerFactory(Protocol):
    """Makes a tuner for each task of a run."""

    @property
    def name(self) -> str:
        """The strategy's name, for records and reports."""

    def __call__(self, task: TunerTask, /) -> Tuner:
        """The tuner of one task."""
