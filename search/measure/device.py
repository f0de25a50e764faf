"""The contract of a device: what builds candidates, runs them, compares their outputs and knows its hardware.

Nothing here assumes a file, a process or the host's CPU: a GPU, a board behind RPC or a fleet may be a device. A
program that was handed to a device has a number, and nothing else; how the device keeps it is its own affair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search.measure.between import Between
from tunedb.errors import MeasurementError
from tunedb.identity import conditions_of
from tunedb.records import Hardware, Outcome, Target


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What a device builds; `search.measure.programs` makes it of a module."""

    mod: Any  # tvm.ir.IRModule, scheduled or not
    args_info: tuple[Any, ...]  # of each argument kind, dtype and shape, as MetaSchedule writes them in JSON
    packs: bool = False  # whether it packs constants that are packed beforehand when it is measured
    weights: tuple[int, ...] = ()  # places of the arguments that are constants of a network


@dataclass(frozen=True, slots=True)
class Build:
    """A program that was handed to a device."""

    number: int
    outcome: Outcome = Outcome.OK  # also where it is not known yet; then the measurement has it
    error: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """How a program is timed."""

    repeat: int = 3  # run times taken
    min_repeat_ms: int = 10  # least length of one of them: short kernels are looped until it is reached
    flush_cache: bool = False  # whether each run is one call that begins with caches that hold nothing of its inputs
    between: Between | None = None  # what happens between calls; a run time is then the median of several calls

    @property
    def conditions(self) -> str:
        """The conditions of measurement, as trials have them."""
        if self.between is not None:
            return conditions_of(caches=self.between.caches)
        return conditions_of(caches="flushed" if self.flush_cache else None)

    def plain(self) -> Timing:
        """Itself, for devices that call programs one after another.

        Raises:
            MeasurementError: Something is to happen between calls.
        """
        if self.between is not None:
            raise MeasurementError("only this machine's own CPU measures programs as they run in a network")
        return self


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of running a program."""

    number: int  # of its build
    run_secs: tuple[float, ...] = ()  # empty for a failure
    outcome: Outcome = Outcome.OK  # how building or running failed
    error: str = ""
    drift: float | None = None
    """How many times slower than the fastest of its kind the machine was that ran it; None where only the run's own
    reference kernels tell (`search.measure.drift`)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two programs made of the same arguments."""

    deviation: float
    """The largest difference of an element, relative to the largest magnitude of its argument; infinite when one has a
    NaN where the other has none."""
    arguments: str = ""  # the kind of arguments that it was seen with, for people
    magnitude: float = float("nan")  # of all that the untuned program wrote: where it is 0, nothing was compared
    secs: float = float("inf")  # of the fastest call
    untuned_secs: float = float("inf")


class NoReferenceError(MeasurementError):
    """There is nothing to compare a program with: the untuned one cannot be built."""


class Device(ABC):
    """Builds and runs programs for one target.

    **Failures.** What a program does wrong (it does not compile, crashes, hangs) is an `Outcome` and costs that program
    only. `MeasurementError` is for the device itself.

    **Ownership.** A program that was built stays with the device until it is released or has run, or the device is
    closed. Whoever opened a device closes it.

    **Threads.** One caller at a time; `close` may come from another thread, and ends what is under way.
    """

    @property
    @abstractmethod
    def target(self) -> Target:
        """What programs are built for."""

    @property
    @abstractmethod
    def hardware(self) -> Hardware:
        """What programs run on: the device's own hardware, which may not be this machine's."""

    @property
    def num_parallel(self) -> int:
        """How many programs run at once; who hands over fewer leaves a part of the device idle."""
        return 1

    @property
    def is_here(self) -> bool:
        """Whether programs run on this machine's own processors, so that what else they do delays programs."""
        return False

    @property
    def cannot_run(self) -> str:
        """Why programs can be built and not run, as of another architecture without an emulator; "" where they run."""
        return ""

    @property
    def emulator(self) -> str:
        """What runs programs in the place of the hardware, which then tells no times; "" for the hardware itself."""
        return ""

    def conditions(self, timing: Timing) -> str:
        """The conditions of measurement, as trials have them: those of the timing, and what the device was set to.

        Args:
            timing: How programs are timed.
        """
        return timing.conditions

    @abstractmethod
    def check(self) -> None:
        """Finds out whether the device can work at all.

        Raises:
            MeasurementError: It cannot; the message says why.
        """

    @abstractmethod
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        """Takes programs, and builds them now or when they are run, as suits the device.

        Args:
            programs: What to build.
            keep: Whether they are built now, and may be run more than once. Otherwise each may be run
                once, and is released by that.

        Returns:
            A build of each program, in their order. Numbers are never used again. Of kept programs the outcome is
            known; of others it may come with the measurement.

        Raises:
            MeasurementError: The device is closed or cannot be reached.
        """

    @abstractmethod
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        """Runs programs; each measurement is there as soon as its program has run.

        A caller that stops iterating leaves the rest unrun: they can still be run or released.

        Args:
            numbers: Of builds.
            timing: How they are timed; None is the device's own way.
            enough_secs: Asked before each program for the run time in seconds above which one run is enough.

        Returns:
            A measurement of each program, in the order in which they finish. A program that could not be built has the
            outcome of its build.

        Raises:
            UsageError: A number is of no build, or of one that was released.
            MeasurementError: The device is closed or cannot be reached.
        """

    @abstractmethod
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        """Builds a program and the untuned one, and runs both on the same arguments, of several kinds.

        Args:
            program: The program.
            untuned: That of the same workload without a schedule.
            seed: Of the arguments.

        Raises:
            NoReferenceError: The untuned program cannot be built.
            MeasurementError: The program cannot be built, or one of them cannot be run; the message says why.
        """

    @abstractmethod
    def release(self, numbers: Sequence[int]) -> None:
        """Forgets programs; numbers that are forgotten already do no harm."""

    def calibrate(self, number: int) -> None:
        """Finds out how the device works best, once, before the first batch; does nothing by default.

        Args:
            number: Of a kept build that has run, of a program whose speed is the device's own.

        Raises:
            MeasurementError: The program does not run any more.
        """
        del number

    @abstractmethod
    def close(self) -> None:
        """Lets go of everything. It may be called more than once."""

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
