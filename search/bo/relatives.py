"""What was found for the tasks of one network so far: where the search of the next one begins.

Tasks of a network are alike: a convolution comes again with another epilogue, or half the size. The nearer the nearest
of them, the less there is left to find, and the fewer candidates are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.bo.proposals import Budget
from tunedb.query.nearest import distance
from tunedb.records import Trace, Workload

_OF_EACH = 6
_CARRIED = 12
_LOOKS = ((0.01, (8, 2)), (0.03, (16, 3)), (math.inf, (16, 4)))
"""Samples and generations, by the share of the network's time below which they are enough."""
_BESIDE = 8  # samples that are enough beside relatives' schedules


@dataclass(frozen=True, slots=True)
class Near:
    """The relatives of a workload."""

    traces: tuple[Trace, ...] = ()  # their best schedules, the nearest first
    nearest: float = math.inf  # how far away, in nats a dimension

    def budget(self, share: float = 1.0) -> Budget:
        """How many candidates are worth a look before the first batch; none is put off.

        Args:
            share: Of the network's time, which the task is believed to take.
        """
        counts = 0.0 if self.nearest == 0 else share  # the same sizes with another epilogue: its schedules will do
        samples, generations = next(looks for below, looks in _LOOKS if counts < below)
        if self.traces:  # which are better than any sample: these only add what they have not
            samples = min(samples, _BESIDE)
        return Budget(first_samples=samples, late_samples=0, first_generations=generations, late_generations=0)


class Relatives:
    """The best schedules of tasks, by workload."""

    def __init__(self) -> None:
        self._found: list[tuple[Workload, tuple[Trace, ...]]] = []

    def add(self, workload: Workload, traces: Sequence[Trace]) -> None:
        """Remembers a task's best schedules, the best first."""
        if traces:
            self._found.append((workload, tuple(traces[:_OF_EACH])))

    def near(self, workload: Workload) -> Near:
        """The relatives of a workload among those that were added."""
        near = sorted((distance(workload, other), place) for place, (other, _) in enumerate(self._found))
        near = [(apart, place) for apart, place in near if math.isfinite(apart)]
        traces = [trace for _, place in near for trace in self._found[place][1]]
        return Near(tuple(traces[:_CARRIED]), near[0][0] if near else math.inf)
