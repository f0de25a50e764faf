"""What tunedb descends from: Bayesian optimization of stock's XGBoost score over indices of factorisations.

The idea of the TVM-Bayesian-Optimization fork, rebuilt on bayes_opt: traces that look good are improved one after
another by a Gaussian process with an upper confidence bound, fitted to the score that MetaSchedule's own cost model
gives, never to a measurement; each tile is one number, the index of its factorisation. Nothing crosses workloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.s_tir import meta_schedule as ms
from typing_extensions import override

from search.contract import Result, TunerTask
from search.space.spaces import Candidate

from .common import Baseline, options

_SAMPLES = 64  # random candidates a batch, of which the best scored are improved
_STEPS = 6  # of the optimizer for each
_KAPPA = 2.576


class IndexBayesianOptimization(Baseline):
    """The fork's search. Nothing tells it of what is pending but that it is not proposed again."""

    name = "index-bo"

    def __init__(self, task: TunerTask) -> None:
        super().__init__(task)
        self._model: Any = ms.cost_model.XGBModel(num_warmup_samples=16)
        self._measured: list[tuple[float, Candidate]] = []
        self._options = {space: options(*self.spaces.domain(space)) for space in range(len(self.spaces))}

    @override
    def propose(self, number: int) -> list[Candidate]:
        elite = [candidate for _, candidate in sorted(self._measured, key=lambda pair: pair[0])[: number // 2]]
        samples = self.spaces.sample(_SAMPLES)
        scores = self._scores(samples)
        starts = elite + [samples[int(i)] for i in np.argsort(-scores, kind="stable")[: number - len(elite)]]
        ranked: list[tuple[float, Candidate]] = list(zip(scores.tolist(), samples, strict=True))
        for start in starts:
            ranked += self._improved(start)
        ranked.sort(key=lambda pair: -pair[0])
        new = (candidate for _, candidate in ranked if self.is_new(candidate))
        return [candidate for _, candidate in zip(range(number), new, strict=False)]

    @override
    def learn(self, batch: Sequence[Candidate], results: Sequence[Result]) -> None:
        measured = [
            ms.runner.RunnerResult(None, str(result.outcome))
            if result.run_secs is None
            else ms.runner.RunnerResult([result.run_secs], None)
            for result in results
        ]
        self._model.update(self.spaces.context, [candidate.measure_candidate() for candidate in batch], measured)
        self._measured += [(r.run_secs, c) for r, c in zip(results, batch, strict=True) if r.run_secs is not None]

    def _improved(self, start: Candidate) -> list[tuple[float, Candidate]]:
        from bayes_opt import BayesianOptimization
        from bayes_opt.acquisition import UpperConfidenceBound

        tiles = {
            str(place): values
            for place, values in self._options[start.space].items()
            if isinstance(values[0], list) and len(values) > 1
        }
        if not tiles:
            return []
        optimizer = BayesianOptimization(
            f=None,
            pbounds={name: (0.0, len(values) - 1.0) for name, values in tiles.items()},
            acquisition_function=UpperConfidenceBound(kappa=_KAPPA),
            random_state=int(self.rng.integers(2**31)),
            verbose=0,
            allow_duplicate_points=True,
        )
        own = {name: float(values.index(start.decisions[int(name)])) for name, values in tiles.items()}
        optimizer.register(params=own, target=float(self._scores([start])[0]))
        found = []
        for _ in range(_STEPS):
            point = optimizer.suggest()
            decisions = {**start.decisions, **{int(name): tiles[name][int(value)] for name, value in point.items()}}
            (candidate,) = self.spaces.make([(start.space, decisions)])
            if candidate is None:
                optimizer.register(params=point, target=0.0)
                continue
            score = float(self._scores([candidate])[0])
            optimizer.register(params=point, target=score)
            found.append((score, candidate))
        return found

    def _scores(self, candidates: Sequence[Candidate]) -> npt.NDArray[np.float64]:
        if not candidates:
            return np.empty(0)
        measurable = [candidate.measure_candidate() for candidate in candidates]
        return np.asarray(self._model.predict(self.spaces.context, measurable), dtype=np.float64)
