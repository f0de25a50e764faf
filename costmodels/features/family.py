"""What a family of features is: its columns, what it must be given of a trial, and how long that may take."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Needs(StrEnum):
    """What must be had of a trial before its features can be computed, the cheapest first."""

    TRACE = "trace"  # what was recorded, and nothing else: no compiler
    WORKLOAD = "workload"  # the program before any schedule; the same for all trials of a workload
    SCHEDULE = "schedule"  # the program after the trace was replayed on it
    BINARY = "binary"  # the machine code that the compiler makes of that


class Family(Protocol):
    """What each module of features offers."""

    FEATURE_VERSION: str
    """Changes whenever `extract` gives other numbers; begins with the family's name."""

    NEEDS: Needs
    """What `extract` is given."""

    TRIAL_TIMEOUT_SECS: float
    """A trial that takes longer has no features; a machine may be busy, so many times what one takes."""

    def names(self) -> tuple[str, ...]:
        """Names of the columns of `extract`, in order."""

    def extract(self, given: Sequence[Any], context: Any) -> NDArray[Any]:
        """Computes the features of n trials.

        Args:
            given: n recorded traces (`tunedb.records.Trace`) where `NEEDS` is TRACE; else n of `tvm.s_tir.Schedule`,
                of which WORKLOAD looks at the number only.
            context: the `TuneContext` of their workload and target; None where `NEEDS` is TRACE.

        Returns:
            Features [n, d]; the rows of trials that have none are NaN throughout.
        """
