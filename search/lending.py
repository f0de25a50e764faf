"""What makes tuners, lent to MetaSchedule for as long as a run lasts."""

from __future__ import annotations

from dataclasses import dataclass

from search.contract import Tuner, TunerFactory, TunerTask


@dataclass(slots=True)
class Lent:
    """A factory, until the run ends: MetaSchedule never lets go of a strategy, nor of what that holds."""

    factory: TunerFactory | None

    @property
    def name(self) -> str:
        """The strategy's name."""
        return "" if self.factory is None else self.factory.name

    def __call__(self, task: TunerTask) -> Tuner:
        """The tuner of one task."""
        assert self.factory is not None
        return self.factory(task)

    def close(self) -> None:
        """The run has ended, whatever came of it."""
        self.factory = None
