"""The schedule that is believed to be the best of a task, before anything of it is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodels.model import CostModel
from search.bo.proposals import Proposer
from search.bo.surrogate import surrogate_of
from search.bo.warm_start import History
from search.measure.local import cause
from search.space.spaces import DesignSpaces
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import recorded_trace
from tunedb.records import Trace

_ATTEMPTS = 8


def predict_best(
    context: Any, model: CostModel | None, history: History, rng: np.random.Generator, builder: Any
) -> Trace:
    """The best of what a search would look at first, by its posterior mean; it compiles.

    Args:
        context: the task's tune context.
        model: the prior; None knows nothing, and then history decides.
        history: what the store knows of the task. What was measured stands beside what is predicted.
        rng: of the candidates.
        builder: a `PersistentBuilder`.

    Raises:
        MeasurementError: none of the first few compiles, or the task has no valid schedule.
    """
    spaces = DesignSpaces(context, context.generate_design_space(), rng)
    proposer = Proposer(spaces, context, model)
    surrogate = surrogate_of(model, str(context.target.kind.name))
    problem = "no schedule of it is valid on this target"
    try:
        proposer.remember(history, surrogate)
        for candidate in proposer.believed_best(surrogate, _ATTEMPTS):
            try:
                builder.build_one(candidate.schedule.mod, context.target)
            except Exception as error:  # whatever the compiler says of it: the next one may do
                problem = cause(error)
                continue
            return recorded_trace(candidate.schedule.trace)
    finally:
        proposer.close()
    raise MeasurementError(f"nothing can be predicted for {context.task_name}: {problem}")
