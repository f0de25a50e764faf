"""What a page shows of one run or one arm of a bench: values, and the reason wherever there is none. No plots."""

from __future__ import annotations

from dataclasses import dataclass

from tunedb.query.best_so_far import Point


@dataclass(frozen=True, slots=True)
class Curve:
    """Best so far."""

    label: str  # whose
    of: str  # what was made faster, for people
    key: str  # what was made faster: curves of one key stand in one plot
    points: tuple[Point, ...]
    end_trials: int  # up to here it stayed as it was
    end_secs: float


@dataclass(frozen=True, slots=True)
class TaskFigure:
    """What was found for a task."""

    workload_id: str
    name: str
    weight: float | None  # how often the network calls it; None where nothing says so
    trials: int
    failed: int
    best_secs: float | None


@dataclass(frozen=True, slots=True)
class Guess:
    """A trial as the model predicts it."""

    task: str
    measured_secs: float
    predicted_secs: float  # relative predictions, set on the workload's own scale


@dataclass(frozen=True, slots=True)
class Guesses:
    """Predictions beside measurements."""

    model: str = ""  # for people
    guesses: tuple[Guess, ...] = ()
    rank_correlation: float | None = None  # the mean over workloads of Spearman's
    problem: str = ""  # why there are none


@dataclass(frozen=True, slots=True)
class Dot:
    """The best of a task as the roofline has it."""

    task: str
    flop_per_byte: float
    flop_per_sec: float
    workload_id: str = ""


@dataclass(frozen=True, slots=True)
class Roof:
    """What the machine can do, and what was reached."""

    flop_per_sec: float = 0.0  # of all cores of the target
    bytes_per_sec: float = 0.0
    dots: tuple[Dot, ...] = ()
    problem: str = ""  # why there is none


@dataclass(frozen=True, slots=True)
class Subject:
    """A run, or an arm."""

    label: str
    scope: tuple[str, ...]  # latencies of subjects of one scope may be compared: target, machine, conditions
    facts: tuple[tuple[str, str], ...]  # names and values, for people
    curves: tuple[Curve, ...]
    tasks: tuple[TaskFigure, ...]
    guesses: Guesses
    roof: Roof
    latency_secs: float | None = None  # of the whole network's library
    ratio: float | None = None  # of that, to the bench's first arm
    error: str = ""
