"""What the baselines share: design spaces, a batch at a time, and nothing measured twice."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search.metaschedule import RecordedStrategy, estimated_secs
from search.recorder import RunRecorder
from search.space.decisions import Decisions, factorisations
from search.space.spaces import Candidate, DesignSpaces

_ATTEMPTS = 20  # proposals for each one that is valid and new


class BaselineStrategy(RecordedStrategy):
    """A strategy that proposes decisions, and hears latencies.

    Args:
        seed: of all randomness.
        batch_size: candidates between two updates.
        run: is told of every trial; None tells nobody.
        stop: when set, no further batch is proposed.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        batch_size: int = 8,
        run: RunRecorder | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(run, stop)
        self.seed, self.batch_size = seed, batch_size
        self.spaces: Any = None
        self.remaining = self.num_per_iter = 0
        self.rng = np.random.default_rng(seed)
        self.proposed: set[int] = set()
        self.batch: list[Candidate] = []

    @abstractmethod
    def begin(self) -> None:
        """A task begins; `spaces` and `context` are there."""

    @abstractmethod
    def propose(self, number: int) -> list[Candidate]:
        """Up to so many valid candidates; `is_new` says which were not proposed before."""

    @abstractmethod
    def learn(self, batch: Sequence[Candidate], run_secs: npt.NDArray[np.float64], results: Sequence[Any]) -> None:
        """Hears the latencies [n] of the last batch in seconds, infinite for failures, and MetaSchedule's results."""

    def pre_tuning(
        self,
        max_trials: int,
        num_trials_per_iter: int,
        design_spaces: Sequence[Any],
        database: Any = None,
        cost_model: Any = None,
    ) -> None:
        """Starts a task."""
        del database, cost_model
        self.remaining = int(max_trials)
        self.num_per_iter = min(self.batch_size, int(num_trials_per_iter))
        self.rng = np.random.default_rng(self.seed)
        self.proposed = set()
        self.spaces = DesignSpaces(self.context, design_spaces, self.rng)
        self.begin_task()
        self.begin()

    def generate_measure_candidates(self) -> list[Any] | None:
        """The next batch; None when the trials are spent, nothing new is found or the run was stopped."""
        if self.remaining <= 0 or self.stopped():
            return None
        self.batch = self.propose(min(self.num_per_iter, self.remaining))
        if not self.batch:
            return None
        self.remaining -= len(self.batch)
        measured = [candidate.measure_candidate() for candidate in self.batch]
        if self.recorder is not None:
            self.recorder.begin_batch(measured)
        return measured

    def notify_runner_results(self, measure_candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Passes latencies on."""
        del measure_candidates
        self.learn(self.batch, np.array([estimated_secs(result) for result in results]), results)
        if self.recorder is not None:
            self.recorder.end_batch(results)

    def post_tuning(self) -> None:
        """Ends a task."""
        if self.spaces is not None:
            self.spaces.close()
        if self.recorder is not None:
            self.recorder.run.flush()

    def is_new(self, candidate: Candidate) -> bool:
        """Whether it was not proposed before; from now on it was."""
        new = candidate.key not in self.proposed
        self.proposed.add(candidate.key)
        return new

    def attempts(self, number: int) -> range:
        """How often to try for so many."""
        return range(number * _ATTEMPTS)


def options(example: Decisions, choices: dict[int, list[int]], limits: dict[int, int]) -> dict[int, list[Any]]:
    """All values of each decision of a design space by place, in order: factorisations of tiles, or numbers."""
    found: dict[int, list[Any]] = {}
    for place, decided in example.items():
        if isinstance(decided, list):
            extent = int(np.prod(decided))
            found[place] = [list(f) for f in factorisations(extent, len(decided), limits.get(place, 0))]
        else:
            found[place] = choices.get(place, [decided])
    return found
