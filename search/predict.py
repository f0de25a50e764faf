"""The schedules that are believed to be the fastest of tasks, before anything of them is measured.

Tasks of one network are alike: a convolution comes again with another epilogue or half the size. So what was found for
one is where the search of the next begins, and the less there is left to find, the fewer candidates are looked at.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.bo.proposals import Budget
from search.bo.tuner import BayesianTuner
from search.bo.warm_start import History, distance
from search.measure.device import Device
from search.measure.programs import program_of
from search.prior import Prior
from search.space.spaces import DesignSpaces
from search.task import Task
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import recorded_trace, workload_from_module
from tunedb.records import Outcome, Trace, Workload

ATTEMPTS = 8
_CARRIED = 12  # schedules of other tasks that a search begins with
_LOOKS = ((0.0, (8, 2)), (0.4, (16, 3)), (math.inf, (48, 6)))
"""Samples and generations, by how far the nearest task that was predicted before is away, in nats a dimension."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What is believed of one task."""

    task: Task
    workload: Workload
    traces: tuple[Trace, ...] = ()  # the candidates that are believed to be the fastest, the best first


class Predictor:
    """Predicts one task after another.

    Args:
        prior: The cost model, and what is known of workloads.
        seed: The seed of all randomness.
    """

    def __init__(self, prior: Prior, seed: int = 0) -> None:
        self._prior, self._seed = prior, seed
        self._found: list[Predicted] = []

    def predict(self, task: Task, context: Any, number: int = ATTEMPTS) -> Predicted:
        """The candidates with the lowest posterior means.

        Args:
            task: The task.
            context: Its tune context, of MetaSchedule.
            number: How many candidates at most; none are found where no schedule of the task is valid.
        """
        workload, _ = workload_from_module(task.mod)
        history = self._prior.recall(workload) if self._prior.recall is not None else History()
        near = sorted((distance(workload, other.workload), place) for place, other in enumerate(self._found))
        near = [(apart, place) for apart, place in near if math.isfinite(apart)]
        carried = [trace for _, place in near for trace in self._found[place].traces[: _CARRIED // 2]][:_CARRIED]
        history = dataclasses.replace(history, similar=(*carried, *history.similar))
        nearest = near[0][0] if near else math.inf
        samples, generations = next(looks for apart, looks in _LOOKS if nearest <= apart)
        budget = Budget(first_samples=samples, first_generations=generations, samples=0, generations=0)
        rng = np.random.default_rng(self._seed)
        spaces = DesignSpaces(context, context.generate_design_space(), rng)
        tuner = BayesianTuner(spaces, self._prior.model, trials=0, history=history, budget=budget)
        try:
            best = tuner.believed_best(number)
            self.last = float(tuner._proposer._pool.join(tuner._proposer._measured).prior.min()) if best else 0.0
            found = Predicted(task, workload, tuple(recorded_trace(one.schedule.trace) for one in best))
        finally:
            tuner.close()
        self._found.append(found)
        return found


def predict_best(tuner: BayesianTuner, device: Device) -> Trace:
    """The best of what a search would look at first, by its posterior mean; it compiles.

    Args:
        tuner: The task's tuner. What the store has of the task stands beside what is predicted.
        device: The device that compiles it.

    Returns:
        The schedule's trace.

    Raises:
        MeasurementError: None of the first few compiles, or the task has no valid schedule.
    """
    problem = "no schedule of it is valid on this target"
    for candidate in tuner.believed_best(ATTEMPTS):
        (build,) = device.build([program_of(candidate.schedule.mod)], keep=True)
        device.release([build.number])
        if build.outcome is Outcome.OK:
            return recorded_trace(candidate.schedule.trace)
        problem = build.error  # whatever the compiler says of it: the next one may do
    raise MeasurementError(problem)
