"""A build that is under way on this machine, and how long one may take."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from tunedb.errors import last_line
from tunedb.records import Outcome

_TYPICAL_BUILDS = 8  # of which the usual time is taken
_LONG_BUILD = 25.0  # times the usual: what takes so long is unrolled without end, and no faster than others


class BuildLimit:
    """How long the build of a candidate may take: at first as long as any, then many times what builds took.

    Args:
        most_secs: The longest, and for programs that are no candidates the only limit.
        least_secs: That builds are given however fast others were; None where somebody said how long they may take.
    """

    def __init__(self, most_secs: float, least_secs: float | None) -> None:
        self.most_secs = most_secs
        self._least_secs = least_secs
        self._took: list[float] = []

    @property
    def secs(self) -> float:
        """The limit as it is now."""
        if self._least_secs is None or len(self._took) < _TYPICAL_BUILDS:
            return self.most_secs
        many_times = _LONG_BUILD * statistics.median(self._took)
        return min(self.most_secs, round(max(many_times, self._least_secs), 1))

    def learn(self, secs: float) -> None:
        """A candidate's build took so long."""
        self._took.append(secs)


class Building:
    """A program that is being built.

    Args:
        library: Path of what comes of it, in a folder of its own; None where it stays in the process that builds.
        future: Gives the seconds that it took.
        limit_secs: After which it is ended.
        learn: Told the seconds of a build that succeeded, once; None where they say nothing of others.
    """

    def __init__(
        self, library: str | None, future: Future[float], limit_secs: float, learn: Callable[[float], None] | None
    ) -> None:
        self._library, self._future, self._limit_secs, self._learn = library, future, limit_secs, learn

    @property
    def is_linked(self) -> bool:
        """Whether a library comes of it."""
        return self._library is not None

    @property
    def library(self) -> str:
        """Path of the library."""
        assert self._library is not None
        return self._library

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._future.done()

    def result(self) -> tuple[Outcome, str]:
        """Waits for it; OK, or how it failed and why."""
        try:
            secs = self._future.result()
        except TimeoutError:
            limit = f"{self._limit_secs:g} s"
            return Outcome.COMPILE_TIMEOUT, f"build took longer than {limit} (--build-timeout gives it more)"
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            return Outcome.COMPILE_ERROR, last_line(problem)
        if self._learn is not None:
            self._learn(secs)
            self._learn = None
        return Outcome.OK, ""

    def release(self) -> None:
        """Removes what came of it."""
        self._future.cancel()
        if self._library is not None:
            shutil.rmtree(Path(self._library).parent, ignore_errors=True)
