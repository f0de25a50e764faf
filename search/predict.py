"""The schedules that are believed to be the fastest of tasks, before anything of them is measured."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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

ATTEMPTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What is believed of one task."""

    task: Task
    workload: Workload
    traces: tuple[Trace, ...] = ()  # the candidates that are believed to be the fastest, the best first


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A task to predict."""

    task: Task
    context: Any  # its tune context, of MetaSchedule
    share: float | None = None  # of its network's time, which it is believed to take; None is a task that is alone


class Predictor:
    """Predicts one task after another, or several side by side.

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
        look = self._look(Asked(task, context, share), number)
        return self._keep(look())

    def predict_all(
        self, asked: Sequence[Asked], on_task: Callable[[int], None] | None = None, number: int = ATTEMPTS
    ) -> list[Predicted]:
        """The same for the tasks of a network, two of them side by side where there are two cores.

        Both know what was found for the tasks before them, and not of each other: on one core too, so that the same is
        predicted however many there are.

        Args:
            asked: The tasks.
            on_task: Called with the place of each task before it is looked at.
            number: As for `predict`.
        """
        found: dict[int, Predicted] = {}
        half = -(-len(asked) // 2)
        with ThreadPoolExecutor(max_workers=min(2, len(os.sched_getaffinity(0)))) as threads:
            for first in range(half):
                places = [place for place in (first, first + half) if place < len(asked)]
                looks = []
                for place in places:
                    if on_task is not None:
                        on_task(place)
                    looks.append(self._look(asked[place], number))
                for place, one in zip(places, threads.map(lambda look: look(), looks), strict=True):
                    found[place] = self._keep(one)
        return [found[place] for place in range(len(asked))]

    def _look(self, asked: Asked, number: int) -> Callable[[], Predicted]:
        """What predicts a task from what is known by now; it may be called in a thread."""
        workload, _ = workload_from_module(asked.task.mod)
        history = self._prior.recall(workload) if self._prior.recall is not None else History()
        near = self._relatives.near(workload)
        history = dataclasses.replace(history, similar=(*near.traces, *history.similar))
        budget = None if asked.share is None else near.budget(asked.share)

        def look() -> Predicted:
            context = asked.context
            spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(self._seed))
            tuner = BayesianTuner(spaces, self._prior.model, trials=0, history=history, budget=budget)
            try:
                best = tuner.believed_best(number)
                traces = tuple(recorded_trace(one.schedule.trace) for one in best)
                return Predicted(asked.task, workload, traces)
            finally:
                tuner.close()

        return look

    def _keep(self, found: Predicted) -> Predicted:
        self._relatives.add(found.workload, found.traces)
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
