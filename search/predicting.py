"""The schedule that is believed to be the best of a task, before anything of it is measured."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from costmodels.model import CostModel
from search.history import History
from search.measure.pools import cause
from search.proposals import Believed, FloatArray, Proposer
from search.space import DesignSpaces
from search.surrogate import surrogate_of
from tunedb.errors import MeasurementError
from tunedb.metaschedule import recorded_trace
from tunedb.records import Trace

_log = logging.getLogger(__name__)

_COMPILED = 16


def predict_best(
    context: Any, model: CostModel | None, history: History, rng: np.random.Generator, builder: Any
) -> Trace:
    """The best of what a search would look at first, by its posterior mean and a look at the machine code; it compiles.

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
    try:
        proposer.remember(history, surrogate)
        believed = proposer.believed_best(surrogate, _COMPILED)
    finally:
        proposer.close()
    code, problem = _compiled(believed, builder, context.target)
    means = _second_look(believed, code, model)
    if not np.isfinite(means).any():
        raise MeasurementError(f"nothing can be predicted for {context.task_name}: {problem}")
    place = int(np.argmin(means))
    _log.info("of %d that compile, number %d of those predicted is taken", np.isfinite(means).sum(), place + 1)
    return recorded_trace(believed.pool.candidates[place].schedule.trace)


def _compiled(believed: Believed, builder: Any, target: Any) -> tuple[dict[int, list[float]], str]:
    """The machine code of candidates by their places, and what was wrong with the last that does not compile."""
    found: dict[int, list[float]] = {}
    problem = "no schedule of it is valid on this target"
    begun = [builder.machine_code(candidate.schedule.mod, target) for candidate in believed.pool.candidates]
    for place, compiling in enumerate(begun):
        try:
            found[place] = compiling.result()
        except Exception as error:  # whatever the compiler says of it: the next one may do
            problem = cause(error) if str(error) else "it takes too long to compile"
    return found, problem


def _second_look(believed: Believed, code: dict[int, list[float]], model: CostModel | None) -> FloatArray:
    """Posterior means [n], infinite for what does not compile; predictions are corrected by what the code says."""
    means = np.full(len(believed.pool), np.inf)
    places = sorted(code)
    means[places] = believed.mean[places]
    if model is not None and model.reads_code and places:
        pool = believed.pool.take(places)
        again = model.predict_compiled(pool.features, np.array([code[place] for place in places])).mean
        means[places] += np.where(believed.is_measured[places], 0.0, again - pool.prior)
    return means
