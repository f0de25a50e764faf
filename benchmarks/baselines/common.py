"""What the baselines share: design spaces, numbers of proposals, and nothing measured twice."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from search.contract import Proposal, Result, Tuner, TunerTask
from search.space.decisions import Decisions, factorisations
from search.space.spaces import Candidate
from tunedb.errors import UsageError

_ATTEMPTS = 20  # proposals for each one that is valid and new


class Baseline(Tuner):
    """A tuner that proposes decisions, and learns latencies.

    A proposal is never made twice, whether it is pending, has a result or was given up. That the uncertainty of what is
    pending counts is up to each.

    Args:
        task: The task.
    """

    def __init__(self, task: TunerTask) -> None:
        self.rng = np.random.default_rng(task.seed)
        self.spaces = task.make_spaces(self.rng)
        self._proposed: set[int] = set()
        self._open: dict[int, Candidate] = {}
        self._num_asked = 0

    @abstractmethod
    def propose(self, number: int) -> list[Candidate]:
        """Up to so many valid candidates; `is_new` says which were not proposed before."""

    @abstractmethod
    def learn(self, batch: Sequence[Candidate], results: Sequence[Result]) -> None:
        """Learns the results of proposed candidates."""

    @override
    def ask(self, number: int, pending: Collection[int] = ()) -> list[Proposal]:
        if not self._open.keys() >= set(pending):
            raise UsageError(f"not among the proposals without a result: {sorted(set(pending) - self._open.keys())}")
        for given_up in self._open.keys() - set(pending):
            del self._open[given_up]
        proposals = []
        for candidate in self.propose(number):
            self._open[self._num_asked] = candidate
            proposals.append(Proposal(self._num_asked, candidate))
            self._num_asked += 1
        return proposals

    @override
    def tell(self, results: Sequence[Result]) -> None:
        if not self._open.keys() >= {result.number for result in results}:
            raise UsageError("results of proposals that are not open")
        self.learn([self._open.pop(result.number) for result in results], results)

    @override
    def close(self) -> None:
        self.spaces.close()

    def is_new(self, candidate: Candidate) -> bool:
        """Whether it was not proposed before; from now on it was."""
        new = candidate.key not in self._proposed
        self._proposed.add(candidate.key)
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
