"""What devices share whose programs are built on this machine: which programs they were handed, and their builds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from search.measure.building import Building
from search.measure.device import Build, Device, Program
from tunedb.errors import MeasurementError, UsageError
from tunedb.records import Target


@dataclass(slots=True, eq=False)
class Built:
    """A program that was handed over."""

    number: int
    program: Program
    is_kept: bool
    building: Building | None = None  # None: it was not begun
    build: Build | None = None  # once it is built
    num_lost: int = 0  # devices that stopped working while they ran it

    @property
    def library(self) -> str:
        """Path of what was built."""
        assert self.building is not None
        return self.building.library


class HostBuilt(Device):
    """A device whose programs are built by processes of this machine.

    Args:
        target: What is built for.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[int, Built] = {}
        self._num_programs = 0
        self._is_closed = False

    @property
    @override
    def target(self) -> Target:
        return self._target

    @override
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        self._expect_open()
        taken = [self._take(program, keep) for program in programs]
        for built in taken:
            if keep or self._begins_at_once:
                self._begin(built)
        waits = keep or self._waits_for_builds
        return [self._finish(built) if waits else Build(built.number) for built in taken]

    @override
    def release(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            built = self._known.pop(number, None)
            if built is not None and built.building is not None:
                built.building.release()

    @override
    def close(self) -> None:
        self._is_closed = True
        self.release(list(self._known))

    @property
    def _begins_at_once(self) -> bool:
        """Whether programs are built as they come, and not when they are to be run."""
        return True

    @property
    def _waits_for_builds(self) -> bool:
        """Whether all of a batch are built before the first is run."""
        return False

    @abstractmethod
    def _begun(self, built: Built) -> Building:
        """Begins to build a program."""

    def _expect_open(self) -> None:
        if self._is_closed:
            raise MeasurementError("the device is closed")

    def _take(self, program: Program, keep: bool) -> Built:
        built = Built(self._num_programs, program, keep)
        self._num_programs += 1
        self._known[built.number] = built
        return built

    def _find(self, number: int) -> Built:
        if number not in self._known:
            raise UsageError(f"there is no program {number}: it was never built, was released, or has run")
        return self._known[number]

    def _begin(self, built: Built) -> Building:
        if built.building is None:
            built.building = self._begun(built)
        return built.building

    def _finish(self, built: Built) -> Build:
        """Waits for a build; begins it, if that was put off."""
        if built.build is None:
            built.build = Build(built.number, *self._begin(built).result())
        return built.build
