"""Chooses the hyper-parameters of a cost model by Bayesian optimization (Nogueira's `bayesian-optimization`).

A configuration is judged by its held-out predictions: models are fitted in folds, and no workload is learned from and
judged by. The objective is the mean of three metrics of the accuracy gate (`costmodels.metrics`) over the target's
workloads. top1 and top5 are what a search gets of the first candidate and the first few that it measures; they jump
when two candidates change places, so that pairwise accuracy, which counts all pairs, is the third. All three are shares
of a perfect ranking, 1 at best.

The default configuration is judged first, and kept when nothing is better: what is chosen is never worse by the
objective. By how much it is better is measured by the very folds that it was chosen by, and therefore flatters it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np

from costmodels import metrics
from costmodels.compute import ALONE, Compute
from costmodels.dataset import Dataset
from costmodels.model import HyperParameters, Range
from costmodels.models import KINDS, make
from tunedb.errors import UsageError

METRICS = ("top1", "top5", "pairwise")
OBJECTIVE = "mean of top1, top5 and pairwise over workloads held out, in folds"

_NOISE = 0.05  # share of the objective's variance that is chance: which of two like candidates comes first
_IMPROVEMENT = 0.001  # of the objective: less is not worth an evaluation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A configuration, and what it is worth."""

    number: int  # from 1, which is the default configuration
    hyper_parameters: dict[str, float | int | str]  # of the search space
    value: float  # of the objective
    best: float  # of all values so far

    @property
    def is_best(self) -> bool:
        """Whether none before it had as large a value."""
        return self.value == self.best


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best configuration of all that were tried."""

    hyper_parameters: dict[str, float | int | str]  # of the search space; empty when the default ones are best
    value: float  # of the objective
    default_value: float
    evaluations: int  # configurations that were tried, the default one among them


def optimize(
    kind: str,
    dataset: Dataset,
    evaluations: int,
    *,
    judged: int | None = None,
    seed: int = 0,
    compute: Compute = ALONE,
    on_evaluation: Callable[[Evaluation], None] | None = None,
) -> Optimum:
    """Tries configurations of a family of models, and returns the best.

    Args:
        kind: the family.
        dataset: the trials to learn from, and to be judged by.
        evaluations: how many configurations are tried; the first is the default one.
        judged: only so many of the dataset's first rows count for the objective (those of the target that is trained
            for); None for all.
        seed: of folds, models and search; the same arguments give the same result.
        compute: where models are fitted.
        on_evaluation: called after each.

    Raises:
        UsageError: there is no such family, it has nothing to choose, or not even one configuration is to be tried.
    """
    if evaluations < 1:
        raise UsageError(f"at least one configuration must be tried, not {evaluations}")
    default = make(kind).hyper_parameters
    space = KINDS[kind].search_space(dataset) if kind in KINDS else {}
    if not space:
        having = [name for name, family in KINDS.items() if family.search_space(dataset)]
        raise UsageError(f"a {kind} model has no hyper-parameters to choose; {', '.join(having)} have some")
    usual = {name: default[name] for name in space}
    tried: list[Evaluation] = []
    search = _configurations(space, usual, evaluations, seed)
    chosen = next(search)
    while len(tried) < evaluations:
        value = objective(kind, chosen, dataset, judged=judged, seed=seed, compute=compute)
        best = max([value, *(evaluation.value for evaluation in tried)])
        tried.append(Evaluation(len(tried) + 1, dict(chosen), value, best))
        if on_evaluation is not None:
            on_evaluation(tried[-1])
        if len(tried) < evaluations:
            chosen = search.send(value)
    winner = max(tried, key=lambda evaluation: evaluation.value)  # the first of equals: rather the default one
    found = {} if winner.number == 1 else winner.hyper_parameters
    return Optimum(found, winner.value, tried[0].value, len(tried))


def objective(
    kind: str,
    hyper_parameters: HyperParameters,
    dataset: Dataset,
    *,
    judged: int | None = None,
    seed: int = 0,
    compute: Compute = ALONE,
) -> float:
    """The mean of `METRICS` of a configuration's held-out predictions; the arguments are those of `optimize`."""
    rows = slice(judged)
    predicted = make(kind, hyper_parameters, compute).held_out(dataset, seed=seed)
    return mean_of(metrics.summary(dataset.scores[rows], predicted.mean[rows], dataset.groups[rows]))


def mean_of(found: Mapping[str, float]) -> float:
    """The objective, from `costmodels.metrics.summary` of the same predictions."""
    return float(np.mean([found[name] for name in METRICS if name in found]))


def _configurations(
    space: Mapping[str, Range], default: HyperParameters, evaluations: int, seed: int
) -> Generator[dict[str, float | int | str], float, None]:
    """Yields what to try next, and is sent its value: the default, some at random, then those of a Gaussian process.

    The process works on shares of the way through each range, so that all of them are of one scale.
    """
    from bayes_opt import BayesianOptimization  # takes a second to import
    from bayes_opt.acquisition import ExpectedImprovement

    optimizer = BayesianOptimization(
        f=None,
        pbounds=dict.fromkeys(sorted(space), (0.0, 1.0)),
        acquisition_function=ExpectedImprovement(xi=_IMPROVEMENT),
        random_state=seed,
        verbose=0,
        allow_duplicate_points=True,
    )
    optimizer.set_gp_params(alpha=_NOISE)
    optimizer.register(
        {name: values.share_of(float(default[name])) for name, values in space.items()}, (yield dict(default))
    )
    random = optimizer.random_sample(min(len(space), max(1, evaluations // 3)))
    while True:
        point = random.pop() if random else optimizer.suggest()
        shares = {name: float(point[name]) for name in space}
        optimizer.register(shares, (yield {name: values.at(shares[name]) for name, values in space.items()}))
