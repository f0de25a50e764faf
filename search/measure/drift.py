"""By how much a machine is slower now than at its best, by the arithmetic reference kernel.

A batch with which the kernel runs slower than before was measured on a slower machine (another clock, a neighbour on
the core), and its latencies are too long by as much.
"""

from __future__ import annotations

from collections.abc import Callable

from search.measure.reference_kernels import ReferenceKernels
from tunedb.query.estimates import estimate
from tunedb.records import Module, Source, Trial, Workload

_SMALLEST = 1.05  # noise alone makes as much of it


class Drift:
    """The drift of one run.

    Args:
        kernels: The reference kernels on the run's device.
        source: The run.
        on_kernel: Told the seconds that the arithmetic kernel takes, each time; None tells nobody.
    """

    def __init__(
        self, kernels: ReferenceKernels, source: Source, on_kernel: Callable[[float], None] | None = None
    ) -> None:
        self._kernels, self._source, self._on_kernel = kernels, source, on_kernel
        self.best_secs = float("inf")
        """The shortest run of the arithmetic kernel so far."""
        self.now = 1.0
        """How many times slower than at its best the machine was in the last run; 1 where noise explains it."""
        self.worst = 1.0
        """The largest `now` so far."""

    @property
    def flop_per_sec(self) -> float:
        """What a core does at best; 0 before it was measured."""
        return self._kernels.flop / self.best_secs

    @property
    def modules(self) -> list[tuple[Workload, Module]]:
        """The workload and module of each kernel."""
        return self._kernels.modules

    def measure(self) -> list[Trial]:
        """Runs the kernels.

        Returns:
            Their trials, the arithmetic kernel's first: they say how the next batch is measured.

        Raises:
            MeasurementError: The device cannot run code for its target.
        """
        trials = self._kernels.measure(self._source)
        secs = estimate([trials[0].run_secs]).secs
        self.best_secs = min(secs, self.best_secs)
        if self._on_kernel is not None:
            self._on_kernel(secs)
        drift = secs / self.best_secs
        self.now = drift if drift > _SMALLEST else 1.0
        self.worst = max(self.worst, self.now)
        return trials
