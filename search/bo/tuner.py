"""Bayesian optimization over all design spaces of a task, as a tuner: ask and tell, and no host.

What to propose is in `proposals`, what to believe in `surrogate`, what to pick in `acquisition`; here they meet.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from costmodels.model import CostModel
from search.bo.acquisition import expected_improvement, select_batch
from search.bo.pool import EMPTY, Pool, joined
from search.bo.proposals import WIDE, Budget, Proposer
from search.bo.relatives import Near
from search.bo.surrogate import surrogate_of
from search.bo.warm_start import History
from search.contract import Proposal, Result, Trust, Tuner, TunerTask
from search.space.funnel import Funnel
from search.space.spaces import Candidate, DesignSpaces
from tunedb.errors import UsageError
from tunedb.records import Workload

_EARLY = 16  # proposals in batches half as large: what is learned first is worth most
_REFINED_SHARE = 0.25  # of the trials: the last ones refine what was found


class BayesianTuner(Tuner):
    """Keeps a posterior of one task and proposes by its lower confidence bound.

    Args:
        spaces: The design spaces that candidates come from; the tuner closes them.
        model: The cost model whose predictions are prior means; None starts without any.
        trials: How many proposals the task may take: the last quarter refines the best.
        batch_size: Proposals of one `ask`, half as many among the first sixteen.
        beta: The weight of the posterior's standard deviation in the acquisition; 0 looks at means alone.
        history: What a store knows of the task; None starts without.
        share_left: Gives the share of a run's trials that is left; None counts the tuner's own proposals.
        budget: How many candidates a batch looks at.
    """

    def __init__(
        self,
        spaces: DesignSpaces,
        model: CostModel | None = None,
        *,
        trials: int,
        batch_size: int = 8,
        beta: float = 1.0,
        history: History | None = None,
        share_left: Callable[[], float] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._model, self._trials, self._batch_size, self._beta = model, trials, batch_size, beta
        self._share_left = share_left
        self._proposer = Proposer(spaces, model, budget)
        self._surrogate = surrogate_of(model, spaces.target_kind)
        self._num_asked = 0
        self._open: dict[int, Pool] = {}  # proposals without a result, a pool of one each
        if history is not None:
            self._proposer.warm_start(history, self._surrogate)

    @property
    @override
    def trust(self) -> Trust | None:
        return self._surrogate.trust

    @property
    @override
    def funnel(self) -> Funnel | None:
        return self._proposer.funnel

    @property
    def is_refining(self) -> bool:
        """Whether the last trials have begun, and there is something to refine."""
        own = 1.0 - self._num_asked / self._trials if self._trials else 0.0
        left = own if self._share_left is None else self._share_left()
        return self._surrogate.num_measured > 0 and left <= _REFINED_SHARE

    @override
    def ask(self, number: int, pending: Collection[int] = ()) -> list[Proposal]:
        waiting = self._keep_pending(pending)
        is_refining = self.is_refining
        if is_refining:
            self._proposer.refine()
        beta = 0.0 if is_refining else self._beta  # nothing is left to learn for
        self._proposer.propose(self._surrogate, beta)
        size = self._batch_size if self._num_asked >= _EARLY else -(-self._batch_size // 2)
        size = min(size, number)
        batch = self._proposer.choose(lambda pool: self._pick(pool, size, beta, waiting))
        if not len(batch) and not self._num_asked:  # the store has all there is: it is measured again
            batch = self._proposer.known(size)
        self._proposer.withdraw(batch)
        proposals = []
        for place, candidate in enumerate(batch.candidates):
            self._open[self._num_asked] = batch.take([place])
            proposals.append(Proposal(self._num_asked, candidate))
            self._num_asked += 1
        return proposals

    @override
    def tell(self, results: Sequence[Result]) -> None:
        numbers = [result.number for result in results]
        if len(set(numbers)) < len(numbers) or not self._open.keys() >= set(numbers):
            raise UsageError(f"results of proposals that are not open, or twice of one: {numbers}")
        if not results:
            return
        batch = joined([self._open.pop(number) for number in numbers])
        run_secs = np.array([np.inf if result.run_secs is None else result.run_secs for result in results])
        good = np.flatnonzero(np.isfinite(run_secs))
        self._surrogate.observe(batch.features[good], batch.prior[good], run_secs[good])
        self._surrogate.observe_failures(batch.features[~np.isfinite(run_secs)])
        self._proposer.learn(batch, run_secs)

    @override
    def expected_gain(self, best_secs: float) -> float | None:
        if not self._surrogate.num_measured:
            return None
        pool = self._proposer.pool
        if not len(pool):
            return 0.0
        mean, std = self._surrogate.marginals(pool.features, pool.prior)
        works = np.exp(self._surrogate.log_feasibility(pool.features))
        return float((works * expected_improvement(mean, std, math.log(best_secs))).max())

    def believed_best(self, number: int) -> Sequence[Candidate]:
        """The candidates with the lowest posterior means, measured ones among them, the best first.

        Args:
            number: How many at most.
        """
        return self._proposer.believed_best(self._surrogate, number)

    @override
    def close(self) -> None:
        self._proposer.close()

    def _keep_pending(self, pending: Collection[int]) -> Pool:
        """The pending proposals; those that the host has given up go back to the candidates."""
        if not self._open.keys() >= set(pending):
            raise UsageError(f"not among the proposals without a result: {sorted(set(pending) - self._open.keys())}")
        for number in sorted(self._open.keys() - set(pending)):
            self._proposer.give_back(self._open.pop(number))
        return joined(list(self._open.values()))

    def _pick(self, pool: Pool, size: int, beta: float, waiting: Pool = EMPTY) -> Sequence[int]:
        if len(pool) == 0:
            return []
        if self._model is None and self._surrogate.num_measured == 0:
            # Nothing is known yet: the pool's first are random samples of every design space. The most uncertain
            # ones would be the oddest instead, and odd programs are slow.
            return range(min(size, len(pool)))
        everything = pool.join(waiting)
        posterior = self._surrogate.posterior(everything.features, everything.prior)
        mean = posterior.mean - self._surrogate.log_feasibility(everything.features)
        observed = [*range(len(pool), len(everything))]
        # What is measured first is what would be taken if nothing were: the search is never behind its prior.
        sure = [int(np.argmin(mean[: len(pool)]))] if not self._surrogate.num_measured and not waiting else []
        others = select_batch(
            mean, posterior.covariance, size - len(sure), beta, self._surrogate.noise, [*observed, *sure]
        )
        return [*sure, *others]


@dataclass(frozen=True, slots=True)
class BayesianOptimization:
    """Makes a `BayesianTuner` for each task.

    Args:
        model: The cost model to start from; None starts without any.
        recall: Gives what a store knows of a workload; None starts without.
        beta: The weight of the posterior's standard deviation in the acquisition; above 1, fewer candidates around the
            best are looked at.
    """

    model: CostModel | None = None
    recall: Callable[[Workload], History] | None = None
    beta: float = 1.0

    @property
    def name(self) -> str:
        """As in `search.tune.STRATEGIES`."""
        return "bo"

    def __call__(self, task: TunerTask) -> BayesianTuner:
        """The tuner of a task, which draws from `task.seed`."""
        history = None if self.recall is None else self.recall(task.workload)
        budget = None if task.share is None else Near(task.carried, task.nearest).budget(task.share)
        if task.carried:
            known = history or History()
            history = dataclasses.replace(known, similar=(*task.carried, *known.similar))
        return BayesianTuner(
            task.make_spaces(np.random.default_rng(task.seed)),
            self.model,
            trials=task.trials,
            batch_size=task.batch_size,
            beta=self.beta,
            history=history,
            share_left=task.share_left,
            budget=WIDE if self.beta > 1.0 else budget,
        )
