"""How a network's tuning stands: what each task takes, what may be saved of it yet, and how long that takes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

FADING_GAIN = 0.3  # nats, over the number of batches: what the next one of a task may save, where no tuner can tell
_LATER_ASK = 0.3  # of a task's first question: what each later one may take, before there was one
_PASSES = 2  # that confirming a task takes in the end, and what checking its numbers takes with them


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """One task of a network."""

    name: str
    workload: str  # for people
    weight: float  # calls in one run of the network
    trials: int
    secs: float  # of one call of the best schedule; a guess where nothing was measured
    is_measured: bool
    before_secs: float | None  # of what the store had, else of the schedule that was predicted; None before that
    gain: float  # share of `secs` that its next batch may save
    flop_per_sec: float | None
    roof_share: float | None  # of what the device's arithmetic can do

    @property
    def total_secs(self) -> float:
        """Of all its calls."""
        return self.weight * self.secs


@dataclass(frozen=True, slots=True)
class Standing:
    """A network in the middle of its tuning."""

    tasks: tuple[TaskStanding, ...]  # the heaviest first
    trials: int
    total: int  # trials that the run may take
    elapsed_secs: float
    left_secs: float | None  # until the run ends, measuring again in the end included; None before it is known

    @property
    def secs(self) -> float:
        """Of one run of the network, as far as its tasks tell."""
        return sum(task.total_secs for task in self.tasks)

    @property
    def before_secs(self) -> float:
        """The same with the schedules that it began with."""
        return sum(task.weight * (task.before_secs or task.secs) for task in self.tasks)

    @property
    def gain(self) -> float:
        """The share of the network's time that the next batches may save."""
        return sum(task.total_secs * task.gain for task in self.tasks) / (self.secs or 1.0)


@dataclass(slots=True)
class Clock:
    """What a run's parts take, so that the rest can be told."""

    looks: list[float] = field(default_factory=list)  # the first question about each task, seconds
    asks: list[float] = field(default_factory=list)  # later ones
    trials: list[float] = field(default_factory=list)  # each candidate, built and run

    def asked(self, secs: float, *, is_first: bool) -> None:
        """A tuner proposed a batch."""
        (self.looks if is_first else self.asks).append(secs)

    def measured(self, secs: float, number: int) -> None:
        """So many candidates were built and run."""
        self.trials += [secs / number] * number

    def left(self, trials: int, unopened: int, first: int, later: int) -> float | None:
        """Seconds that a run goes on for.

        Args:
            trials: That are left.
            unopened: Tasks that were never looked at, and may be.
            first: Candidates of a task's first batch.
            later: Of each later one.
        """
        if not self.looks or not self.trials:
            return None
        look, trial = statistics.fmean(self.looks), statistics.fmean(self.trials)
        looks = min(unopened, trials // first)
        ask = statistics.fmean(self.asks) if self.asks else _LATER_ASK * look
        asks = max(trials - first * looks, 0) / later
        return looks * look + asks * ask + trials * trial + _PASSES * (len(self.looks) + looks) * trial


def heaviest_first(tasks: Sequence[TaskStanding]) -> tuple[TaskStanding, ...]:
    """Tasks by the time of all their calls."""
    return tuple(sorted(tasks, key=lambda task: -task.total_secs))
