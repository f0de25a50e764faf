"""Tree-structured Parzen estimators, as Optuna has them, over the decisions of all design spaces of a task.

Bergstra, Bardenet, Bengio, Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4. A tile is the
index of its factorisation, the design space a category that decides which indices there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.search_strategy import SearchStrategy

from search.baselines.common import BaselineStrategy, options
from search.space.spaces import Candidate


@derived_object
class Tpe(BaselineStrategy):
    """See the module."""

    def begin(self) -> None:
        """See `BaselineStrategy.begin`."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.seed, constant_liar=True, multivariate=True, group=True)
        self.study = optuna.create_study(direction="minimize", sampler=sampler)
        self.options = {space: options(*self.spaces.domain(space)) for space in range(len(self.spaces))}
        self.asked: list[Any] = []

    def propose(self, number: int) -> list[Candidate]:
        """See `BaselineStrategy.propose`. What is not valid, or was proposed before, is told as failed."""
        import optuna

        found: list[Candidate] = []
        self.asked = []
        for _ in self.attempts(number):
            if len(found) == number:
                break
            trial = self.study.ask()
            space = trial.suggest_categorical("space", list(self.options))
            decisions = {
                place: values[trial.suggest_int(f"{space}.{place}", 0, len(values) - 1)]
                if len(values) > 1
                else values[0]
                for place, values in self.options[space].items()
            }
            (candidate,) = self.spaces.make([(space, decisions)])
            if candidate is not None and self.is_new(candidate):
                found.append(candidate)
                self.asked.append(trial)
            else:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return found

    def learn(self, batch: Sequence[Candidate], run_secs: npt.NDArray[np.float64], results: Sequence[Any]) -> None:
        """See `BaselineStrategy.learn`."""
        import optuna

        for trial, secs in zip(self.asked, run_secs, strict=True):
            if np.isfinite(secs):
                self.study.tell(trial, float(np.log(secs)))
            else:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def clone(self) -> SearchStrategy:
        """A fresh strategy with the same settings."""
        return Tpe(seed=self.seed, batch_size=self.batch_size, run=self.run, stop=self.stop)
