"""The schedule that is believed to be the best of a task, before anything of it is measured."""

from __future__ import annotations

from search.bo.tuner import BayesianTuner
from search.measure.device import Device
from search.measure.programs import program_of
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import recorded_trace
from tunedb.records import Outcome, Trace

_ATTEMPTS = 8


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
    for candidate in tuner.believed_best(_ATTEMPTS):
        (build,) = device.build([program_of(candidate.schedule.mod)], keep=True)
        device.release([build.number])
        if build.outcome is Outcome.OK:
            return recorded_trace(candidate.schedule.trace)
        problem = build.error  # whatever the compiler says of it: the next one may do
    raise MeasurementError(problem)
