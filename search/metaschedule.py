"""The MetaSchedule search strategies: Bayesian optimization, and any other one with its trials recorded.

This room orchestrates; what to propose is in `proposals`, what to believe in `surrogate`, what to pick in
`acquisition`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.search_strategy import PySearchStrategy, SearchStrategy

from costmodels.model import CostModel
from search.bo.acquisition import select_batch
from search.bo.proposals import Pool, Proposer
from search.bo.surrogate import Surrogate, surrogate_of
from search.bo.warm_start import History
from search.recorder import RunRecorder, TaskRecorder
from search.space.spaces import DesignSpaces
from tunedb.metaschedule.replay import workload_from_module
from tunedb.query.estimates import estimate
from tunedb.records import Workload

_log = logging.getLogger(__name__)

_EARLY = 16  # trials in batches half as large: what is learned first is worth most
_POLISHED_SHARE = 0.25  # of the trials: the last ones refine what was found


class RecordedStrategy(PySearchStrategy):
    """What all strategies share: telling the run's recorder of the task's trials, and an orderly stop."""

    def __init__(self, run: RunRecorder | None, stop: threading.Event | None) -> None:
        super().__init__()
        self.run = run
        self.stop = stop
        self.context: Any = None
        self.recorder: TaskRecorder | None = None

    def _initialize_with_tune_context(self, context: Any) -> None:
        self.context = context

    def stopped(self) -> bool:
        """Whether the run is to end."""
        return self.stop is not None and self.stop.is_set()

    def begin_task(self) -> None:
        """Tells the run's recorder that the context's task begins."""
        if self.run is not None:
            self.recorder = self.run.for_task(workload_from_module(self.context.mod), str(self.context.task_name))


@derived_object
class BayesianOptimization(RecordedStrategy):
    """Bayesian optimization over all design spaces of a task, with a cost model as the prior mean.

    It runs wherever a MetaSchedule search strategy does; `search.bayesian_optimization` makes one that knows a store.
    Each batch: candidates are sampled and mutated, scored by the surrogate, and picked by the lower confidence bound
    with hallucinated observations.

    Args:
        model: the prior; None starts cold.
        seed: the same seed, model and measurements give the same proposals.
        batch_size: candidates measured between two updates of the posterior, half as many among the first; at most
            MetaSchedule's own `num_trials_per_iter`.
        beta: weight of the posterior's standard deviation in what a candidate promises; 0 looks at means alone.
        recall: what a store knows of a workload; None remembers nothing.
        run: is told of every trial; None tells nobody.
        stop: when set, no further batch is proposed.
    """

    def __init__(
        self,
        model: CostModel | None = None,
        *,
        seed: int = 0,
        batch_size: int = 8,
        beta: float = 1.0,
        recall: Callable[[Workload], History] | None = None,
        run: RunRecorder | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(run, stop)
        self.recall = recall
        self.model, self.seed, self.batch_size, self.beta = model, seed, batch_size, beta
        self.proposer: Proposer | None = None
        self.surrogate: Surrogate | None = None
        self.total = self.remaining = 0
        self.num_per_iter = 0
        self.batch: Pool | None = None

    def pre_tuning(
        self,
        max_trials: int,
        num_trials_per_iter: int,
        design_spaces: Sequence[Any],
        database: Any = None,
        cost_model: Any = None,
    ) -> None:
        """Starts a task: MetaSchedule's own database and cost model are not used."""
        del database, cost_model
        self.total = self.remaining = int(max_trials)
        self.num_per_iter = min(self.batch_size, int(num_trials_per_iter))
        spaces = DesignSpaces(self.context, design_spaces, np.random.default_rng(self.seed))
        self.proposer = Proposer(spaces, self.context, self.model)
        self.surrogate = surrogate_of(self.model, str(self.context.target.kind.name))
        self.begin_task()
        if self.recall is not None:
            with self._own_time():
                self.proposer.remember(self.recall(workload_from_module(self.context.mod)[0]), self.surrogate)

    def generate_measure_candidates(self) -> list[Any] | None:
        """The next batch; None when the trials are spent, the spaces exhausted or the run stopped."""
        assert self.proposer is not None and self.surrogate is not None
        if self.remaining <= 0 or self.stopped():
            return None
        with self._own_time():
            polishing = self.surrogate.num_measured > 0 and self.is_ending()
            if polishing:
                self.proposer.polish()
            beta = 0.0 if polishing else self.beta  # nothing is left to learn for
            self.proposer.propose(self.surrogate, beta)
            size = self.num_per_iter if self.total - self.remaining >= _EARLY else -(-self.num_per_iter // 2)
            size = min(size, self.remaining)
            self.batch = self.proposer.choose(lambda pool: self._pick(pool, size, beta))
            if len(self.batch) == 0:
                return None
            self.remaining -= len(self.batch)
            measured = [candidate.measure_candidate() for candidate in self.batch.candidates]
        if self.recorder is not None:
            self.recorder.begin_batch(measured)
        return measured

    def is_ending(self) -> bool:
        """Whether the last trials have begun: of the run, where several tasks share them, or else of the task."""
        left, total = self.remaining, self.total
        if self.run is not None and self.run.total:
            left, total = self.run.total - self.run.num_trials, self.run.total
        return left <= _POLISHED_SHARE * total

    @contextmanager
    def _own_time(self) -> Iterator[None]:
        """What happens inside is the strategy's own time, not the trials'."""
        started = time.perf_counter()
        try:
            yield
        finally:
            if self.recorder is not None:
                self.recorder.strategy_secs += time.perf_counter() - started

    def _pick(self, pool: Pool, size: int, beta: float) -> Sequence[int]:
        assert self.surrogate is not None
        if len(pool) == 0:
            return []
        if self.model is None and self.surrogate.num_measured == 0:
            # Nothing is known yet: the pool's first are random samples of every design space. The most uncertain
            # ones would be the oddest instead, and odd programs are slow.
            return range(min(size, len(pool)))
        posterior = self.surrogate.posterior(pool.features, pool.prior)
        mean = posterior.mean - self.surrogate.log_feasibility(pool.features)
        return select_batch(mean, posterior.covariance, size, beta, self.surrogate.noise)

    def notify_runner_results(self, measure_candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Updates the posterior with a batch's latencies."""
        assert self.proposer is not None and self.surrogate is not None
        del measure_candidates
        if self.batch is None:
            return
        drift = self.run.drift if self.run is not None else 1.0
        run_secs = np.array([estimated_secs(result) for result in results]) / drift
        good = np.flatnonzero(np.isfinite(run_secs))
        self.surrogate.observe(self.batch.features[good], self.batch.prior[good], run_secs[good])
        self.surrogate.observe_failures(self.batch.features[~np.isfinite(run_secs)])
        self.proposer.learn(self.batch, run_secs)
        trust = self.surrogate.trust
        if trust is not None and trust.is_misleading:
            _log.info("%s: the cost model misleads: %s", self.context.task_name, trust)
        if self.recorder is not None:
            self.recorder.trust = trust
            self.recorder.end_batch(results)

    def post_tuning(self) -> None:
        """Ends a task."""
        if self.proposer is not None:
            self.proposer.close()
        if self.recorder is not None:
            self.recorder.run.flush()

    def clone(self) -> SearchStrategy:
        """A fresh strategy with the same settings, as MetaSchedule asks for each task."""
        return BayesianOptimization(
            self.model,
            seed=self.seed,
            batch_size=self.batch_size,
            beta=self.beta,
            recall=self.recall,
            run=self.run,
            stop=self.stop,
        )


@derived_object
class Recorded(RecordedStrategy):
    """Another search strategy, unchanged, with its trials told to the store.

    Args:
        inner: the strategy that decides.
        run: is told of every trial; None tells nobody.
        stop: when set, no further batch is asked for.
    """

    def __init__(
        self,
        inner: SearchStrategy,
        *,
        run: RunRecorder | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(run, stop)
        self.inner = inner

    def _initialize_with_tune_context(self, context: Any) -> None:
        self.context = context
        self.inner._initialize_with_tune_context(context)

    def pre_tuning(
        self,
        max_trials: int,
        num_trials_per_iter: int,
        design_spaces: Sequence[Any],
        database: Any = None,
        cost_model: Any = None,
    ) -> None:
        """Starts the inner strategy."""
        self.begin_task()
        self.inner.pre_tuning(max_trials, num_trials_per_iter, design_spaces, database, cost_model)

    def generate_measure_candidates(self) -> list[Any] | None:
        """The inner strategy's next batch."""
        if self.stopped():
            return None
        candidates: list[Any] | None = self.inner.generate_measure_candidates()
        if candidates is not None and self.recorder is not None:
            self.recorder.begin_batch(candidates)
        return candidates

    def notify_runner_results(self, measure_candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Passes the results on, and records them."""
        self.inner.notify_runner_results(measure_candidates, results)
        if self.recorder is not None:
            self.recorder.end_batch(results)

    def post_tuning(self) -> None:
        """Ends the inner strategy."""
        self.inner.post_tuning()
        if self.recorder is not None:
            self.recorder.run.flush()

    def clone(self) -> SearchStrategy:
        """A fresh one around a clone of the inner strategy."""
        return Recorded(self.inner.clone(), run=self.run, stop=self.stop)


def estimated_secs(result: Any) -> float:
    """Latency of a runner result in seconds, as the store estimates it; infinity for a failure."""
    if result.error_msg is not None or not result.run_secs:
        return float("inf")
    return estimate([[float(secs) for secs in result.run_secs]]).secs
