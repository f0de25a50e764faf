"""What the pools report while they work, and to whom."""

from __future__ import annotations

from typing import Protocol

from tunedb.records import Outcome

INTERRUPTED = "interrupted before it was run"
"""Error message of a candidate that was never run; it is no trial."""


class MeasureObserver(Protocol):
    """Hears of each candidate of the current batch as it is built and run."""

    def built(self, index: int, artifact_path: str | None, outcome: Outcome, error: str) -> None:
        """The batch's candidate `index` was built, or failed to."""

    def ran(self, artifact_path: str, run_secs: list[float] | None, outcome: Outcome, error: str) -> None:
        """The candidate built at `artifact_path` was run, or failed to."""
