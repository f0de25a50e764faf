"""The schedules that are believed to be the fastest of tasks, before anything of them is measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.bo.relatives import Relatives
from search.bo.tuner import BayesianTuner
from search.bo.warm_start import History
from search.measure.device import Device
from search.measure.programs import scheduled_program
from search.prior import Prior
from search.space.spaces import DesignSpaces
from search.task import Task
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import recorded_trace, workload_from_module
from tunedb.records import Outcome, Trace, Workload

ATTEMPTS = 8


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
        self._relatives = Relatives()

    def predict(self, task: Task, context: Any, *, share: float | None = None, number: int = ATTEMPTS) -> Predicted:
        """The candidates with the lowest posterior means.

        Args:
            task: The task.
            context: Its tune context, of MetaSchedule.
            share: Of its network's time, which it is believed to take: the less, the fewer candidates are looked at.
                None is a task that is alone.
            number: How many candidates at most; none are found where no schedule of the task is valid.
        """
        workload, _ = workload_from_module(task.mod)
        history = self._prior.recall(workload) if self._prior.recall is not None else History()
        near = self._relatives.near(workload)
        history = dataclasses.replace(history, similar=(*near.traces, *history.similar))
        spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(self._seed))
        budget = None if share is None else near.budget(share)
        tuner = BayesianTuner(spaces, self._prior.model, trials=0, history=history, budget=budget)
        try:
            best = tuner.believed_best(number)
            found = Predicted(task, workload, tuple(recorded_trace(one.schedule.trace) for one in best))
        finally:
            tuner.close()
        self._relatives.add(workload, found.traces)
        return found


def first_that_compiles(predicted: Predicted, device: Device) -> Trace:
    """The best of what is predicted for a task that its device can build.

    Raises:
        MeasurementError: None of the first few compiles, or the task has no valid schedule.
    """
    problem = "no schedule of it is valid on this target"
    for trace in predicted.traces:
        (build,) = device.build([scheduled_program(predicted.task.mod, trace)], keep=True)
        device.release([build.number])
        if build.outcome is Outcome.OK:
            return trace
        problem = build.error  # whatever the compiler says of it: the next one may do
    raise MeasurementError(problem)
