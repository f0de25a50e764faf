"""MetaSchedule's search strategies: any tuner as one, and any other one with its trials recorded.

What to propose is the tuner's affair; here are only the calls in which MetaSchedule asks for it and tells results.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.search_strategy import PySearchStrategy, SearchStrategy

from search.claims import Claims, Elsewhere
from search.contract import Proposal, Trust, Tuner, TunerFactory, TunerTask, result_of
from search.measure.device import Measurement
from search.measure.drift import Drift
from search.metaschedule.measuring import INTERRUPTED
from search.recorder import Recorder, Scheduled, TaskRecorder
from search.space.funnel import Funnel
from search.space.spaces import DesignSpaces
from tunedb.identity import trace_id
from tunedb.metaschedule.replay import recorded_trace, workload_from_module
from tunedb.records import Outcome

_log = logging.getLogger(__name__)

_ASKS = 8  # for a batch that others have not all in hand


@dataclass(slots=True, eq=False)
class TaskSearch:
    """One task of a run, as its strategy searched it."""

    name: str
    recorder: TaskRecorder | None
    nothing: str = ""  # why there is nothing to measure, when the strategy found so
    own_secs: float = 0.0  # spent choosing what to measure
    trust: Trust | None = None  # in the cost model that the search started from, after the last batch
    funnel: Funnel | None = None  # what became of its candidates before any was built


class _Strategy(PySearchStrategy):
    """What both share: they record the task's trials, and stop in order."""

    def __init__(self, recorder: Recorder | None, stop: threading.Event | None, claims: Claims | None) -> None:
        super().__init__()
        self.recorder, self.stop, self.claims = recorder, stop, claims
        self.searches: list[TaskSearch] = []
        """The tasks that this strategy and its clones have begun, in their order."""
        self.context: Any = None
        self.search = TaskSearch("", None)
        self.has_begun = False  # whether anything of the task went to the builder

    def _initialize_with_tune_context(self, context: Any) -> None:
        self.context = context

    def is_stopped(self) -> bool:
        """Whether the run is to end."""
        return self.stop is not None and self.stop.is_set()

    def begin_task(self) -> None:
        """The context's task begins."""
        task = None
        if self.recorder is not None:
            workload, module = workload_from_module(self.context.mod)
            task = self.recorder.begin_task(workload, module, str(self.context.task_name))
        self.search = TaskSearch(str(self.context.task_name), task)
        self.searches.append(self.search)
        self.has_begun = False

    def begin_batch(self, candidates: Sequence[Any] | None) -> None:
        """These measure candidates go to the builder; None when the strategy has none."""
        if not candidates:
            if not self.has_begun:
                self.search.nothing = "no schedule that could be tried is valid for this target"
            return
        self.has_begun = True
        if self.search.recorder is not None:
            self.search.recorder.begin_batch(
                [Scheduled(one.sch.trace, tuple(info.as_json() for info in one.args_info)) for one in candidates]
            )

    def end_batch(self, results: Sequence[Any]) -> None:
        """These runner results came of the batch, in its order."""
        stored = _nothing if self.claims is None else self.claims.settled()
        if self.search.recorder is not None:
            measured = [measurement(place, result) for place, result in enumerate(results)]
            self.search.recorder.end_batch(measured, stored)
        else:
            stored()

    def end_task(self) -> None:
        """The context's task ends."""
        if self.recorder is not None:
            self.recorder.flush()


@derived_object
class TunerStrategy(_Strategy):
    """Any tuner, asked for a batch whenever MetaSchedule wants one.

    Args:
        factory: Makes the tuner of each task.
        seed: The seed of all randomness, the same for each task.
        batch_size: Candidates measured between two questions; at most MetaSchedule's own `num_trials_per_iter`.
        recorder: Records trials, and knows how many the run has left; None records nothing.
        drift: By which latencies are corrected before the tuner is told; None corrects nothing.
        stop: When set, no further batch is proposed.
        searches: Where the tasks that are begun are listed; None is a list of its own.
        claims: Where other runs on the store may measure the same; None is where none does.
    """

    def __init__(
        self,
        factory: TunerFactory,
        *,
        seed: int = 0,
        batch_size: int = 8,
        recorder: Recorder | None = None,
        drift: Drift | None = None,
        stop: threading.Event | None = None,
        searches: list[TaskSearch] | None = None,
        claims: Claims | None = None,
    ) -> None:
        super().__init__(recorder, stop, claims)
        self.elsewhere, self.workload_id = Elsewhere(), ""
        self.factory, self.seed, self.batch_size, self.drift = factory, seed, batch_size, drift
        self.searches = self.searches if searches is None else searches
        self.tuner: Tuner | None = None
        self.remaining = self.num_per_iter = 0
        self.batch: list[Proposal] = []

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
        self.remaining = int(max_trials)
        self.num_per_iter = min(self.batch_size, int(num_trials_per_iter))
        self.begin_task()
        run = self.recorder
        workload = workload_from_module(self.context.mod)[0]
        self.elsewhere, self.workload_id = Elsewhere(), workload.workload_id
        task = TunerTask(
            workload=workload,
            make_spaces=partial(DesignSpaces, self.context, design_spaces),
            trials=self.remaining,
            batch_size=self.num_per_iter,
            seed=self.seed,
            share_left=(lambda: run.share_left) if run is not None and run.total else None,
        )
        with self._own_time():
            self.tuner = self.factory(task)

    def generate_measure_candidates(self) -> list[Any] | None:
        """The next batch; None when the trials are spent, the spaces exhausted or the run stopped."""
        assert self.tuner is not None
        if self.remaining <= 0 or self.is_stopped():
            return None
        with self._own_time():
            number = min(self.num_per_iter, self.remaining)
            if self.claims is None:
                self.batch = self.tuner.ask(number)
            else:
                self.batch = self.claims.ask(self.tuner, self.workload_id, number, self.elsewhere)
            self.remaining -= len(self.batch)
            candidates = [proposal.candidate.measure_candidate() for proposal in self.batch]
        self.begin_batch(candidates)
        return candidates or None

    def notify_runner_results(self, measure_candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Tells the tuner what came of the batch."""
        del measure_candidates
        assert self.tuner is not None
        drift = 1.0 if self.drift is None else self.drift.now
        found = [
            (proposal.number, measured)
            for proposal, measured in zip(self.batch, map(measurement, range(len(results)), results), strict=True)
            if measured is not None
        ]
        self.tuner.tell([result_of(number, measured, drift) for number, measured in found])
        self.search.trust, self.search.funnel = self.tuner.trust, self.tuner.funnel
        if self.search.trust is not None and self.search.trust.is_misleading:
            _log.info("%s: the cost model misleads: %s", self.context.task_name, self.search.trust)
        self.end_batch(results)

    def post_tuning(self) -> None:
        """Ends a task. Its tuner is let go: TVM and Python hold a strategy between them while the process lives."""
        if self.tuner is not None:
            self.tuner.close()
        self.tuner, self.batch = None, []
        self.end_task()

    def clone(self) -> SearchStrategy:
        """A fresh strategy with the same settings, as MetaSchedule asks for each task."""
        return TunerStrategy(
            self.factory,
            seed=self.seed,
            batch_size=self.batch_size,
            recorder=self.recorder,
            drift=self.drift,
            stop=self.stop,
            searches=self.searches,
            claims=self.claims,
        )

    @contextmanager
    def _own_time(self) -> Iterator[None]:
        """What happens inside is the strategy's own time, not the trials'."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.search.own_secs += time.perf_counter() - started


@derived_object
class RecordedStrategy(_Strategy):
    """Another search strategy, unchanged, with its trials recorded.

    Args:
        inner: The strategy that decides.
        recorder: Records trials; None records nothing.
        stop: When set, no further batch is asked for.
        searches: Where the tasks that are begun are listed; None is a list of its own.
        claims: Where other runs on the store may measure the same; None is where none does.
    """

    def __init__(
        self,
        inner: SearchStrategy,
        *,
        recorder: Recorder | None = None,
        stop: threading.Event | None = None,
        searches: list[TaskSearch] | None = None,
        claims: Claims | None = None,
    ) -> None:
        super().__init__(recorder, stop, claims)
        self.inner, self.workload_id = inner, ""
        self.searches = self.searches if searches is None else searches

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
        self.workload_id = workload_from_module(self.context.mod)[0].workload_id
        self.inner.pre_tuning(max_trials, num_trials_per_iter, design_spaces, database, cost_model)

    def generate_measure_candidates(self) -> list[Any] | None:
        """The inner strategy's next batch without what other runs measure; None also where they have all of several."""
        for _ in range(_ASKS):
            if self.is_stopped():
                return None
            candidates: list[Any] | None = self.inner.generate_measure_candidates()
            mine = self._own(candidates or [])
            if mine or not candidates:
                break
        self.begin_batch(mine if candidates else candidates)
        return mine or None

    def _own(self, candidates: Sequence[Any]) -> list[Any]:
        """Those of a batch that this run is to measure."""
        if self.claims is None:
            return list(candidates)
        traces = [trace_id(recorded_trace(one.sch.trace)) for one in candidates]
        free = self.claims.free(self.workload_id, traces)
        return [one for one, is_free in zip(candidates, free, strict=True) if is_free]

    def notify_runner_results(self, measure_candidates: Sequence[Any], results: Sequence[Any]) -> None:
        """Passes the results on, and records them."""
        self.inner.notify_runner_results(measure_candidates, results)
        self.end_batch(results)

    def post_tuning(self) -> None:
        """Ends the inner strategy."""
        self.inner.post_tuning()
        self.end_task()

    def clone(self) -> SearchStrategy:
        """A fresh one around a clone of the inner strategy."""
        return RecordedStrategy(
            self.inner.clone(), recorder=self.recorder, stop=self.stop, searches=self.searches, claims=self.claims
        )


def _nothing() -> None:
    """What is done where no leases are to be given back."""


def measurement(place: int, result: Any) -> Measurement | None:
    """What a MetaSchedule runner result says; None where the candidate was never run.

    Args:
        place: The candidate's place in its batch, which stands for its number.
        result: A `RunnerResult`.
    """
    error = str(result.error_msg or "")
    if error == INTERRUPTED:
        return None
    run_secs = tuple(float(secs) for secs in result.run_secs or ())
    if error or not run_secs:
        return Measurement(place, (), Outcome.FAILED, error)
    return Measurement(place, run_secs)
