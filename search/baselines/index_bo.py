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
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.search_strategy import SearchStrategy

from search.baselines.common import BaselineStrategy, options
from search.space.spaces import Candidate

_SAMPLES = 64  # random candidates a batch, of which the best scored are improved
_STEPS = 6  # of the optimizer for each
_KAPPA = 2.576


@derived_object
class IndexBayesianOptimization(BaselineStrategy):
    """See the module."""

    def begin(self) -> None:
        """See `BaselineStrategy.begin`."""
        self.model: Any = ms.cost_model.XGBModel(num_warmup_samples=16)
        self.measured: list[tuple[float, Candidate]] = []
        self.options = {space: options(*self.spaces.domain(space)) for space in range(len(self.spaces))}

    def propose(self, number: int) -> list[Candidate]:
        """See `BaselineStrategy.propose`."""
        elite = [candidate for _, candidate in sorted(self.measured, key=lambda pair: pair[0])[: number // 2]]
        samples = self.spaces.sample(_SAMPLES)
        scores = self._scores(samples)
        starts = elite + [samples[int(i)] for i in np.argsort(-scores, kind="stable")[: number - len(elite)]]
        ranked: list[tuple[float, Candidate]] = list(zip(scores.tolist(), samples, strict=True))
        for start in starts:
            ranked += self._improved(start)
        ranked.sort(key=lambda pair: -pair[0])
        return [candidate for _, candidate in ranked if self.is_new(candidate)][:number]

    def learn(self, batch: Sequence[Candidate], run_secs: npt.NDArray[np.float64], results: Sequence[Any]) -> None:
        """See `BaselineStrategy.learn`."""
        self.model.update(self.context, [candidate.measure_candidate() for candidate in batch], list(results))
        self.measured += [(secs, c) for secs, c in zip(run_secs.tolist(), batch, strict=True) if np.isfinite(secs)]

    def clone(self) -> SearchStrategy:
        """A fresh strategy with the same settings."""
        return IndexBayesianOptimization(seed=self.seed, batch_size=self.batch_size, run=self.run, stop=self.stop)

    def _improved(self, start: Candidate) -> list[tuple[float, Candidate]]:
        from bayes_opt import BayesianOptimization
        from bayes_opt.acquisition import UpperConfidenceBound

        tiles = {
            str(place): values
            for place, values in self.options[start.space].items()
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
        return np.asarray(self.model.predict(self.context, measurable), dtype=np.float64)
