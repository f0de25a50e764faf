"""How far a long job is, and for how long yet: the words of a line of progress. Nothing is printed here."""

from __future__ import annotations

import time
from collections.abc import Callable

from tunedb.units import elapsed, waiting

_LEAST_SECS = 2.0  # before which a pace is none


class Pace:
    """Where the present stage of a job stands, by the clock.

    A job has one stage after another: "features", then "fits". What is done begins anew with each, and so does the pace
    by which the rest is judged.

    Args:
        clock: seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begun_at = clock()
        self.done = 0
        self.total: int | None = None
        self.text = ""
        self._stage: tuple[str, int | None] | None = None
        self._first, self._first_at, self._last_at = 0, self.begun_at, self.begun_at

    def at(self, done: int, total: int | None, text: str) -> None:
        """Takes in where the job is.

        Args:
            done: so many parts of the stage.
            total: of so many; None where that is not known.
            text: what they are; what stands before two spaces names the stage.
        """
        stage = (text.partition("  ")[0], total)
        now = self._clock()
        if stage != self._stage or done < self.done:
            self._stage, self._first, self._first_at = stage, done, now
        self.done, self.total, self.text, self._last_at = done, total, text, now

    def left_secs(self) -> float | None:
        """How long the stage will take yet, by what it took so far; None while that says nothing."""
        parts, spent = self.done - self._first, self._last_at - self._first_at
        if not self.total or parts <= 0 or spent < _LEAST_SECS:
            return None
        since = self._clock() - self._last_at
        return max(0.0, spent / parts * (self.total - self.done) - since)

    def line(self) -> str:
        """The job as a line: what, how far, since when and for how long yet."""
        what = " ".join(self.text.split())
        if self.total and self.total > 1:
            what += f": {self.done:,}/{self.total:,} ({100 * self.done // self.total}%)"
        elif self.done:
            what += f": {self.done:,}"
        return f"{what}, {self.waited()}"

    def waited(self) -> str:
        """Since when, and for how long yet."""
        left = self.left_secs()
        so_far = f"{elapsed(self._clock() - self.begun_at)} so far"
        return so_far if left is None else f"{so_far}, about {waiting(left)} left"
