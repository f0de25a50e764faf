"""Tree-structured Parzen estimators, as Optuna has them, over the decisions of all design spaces of a task.

Bergstra, Bardenet, Bengio, Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4. A tile is the
index of its factorisation, the design space a category that decides which indices there are. What is pending counts as
bad (a constant liar), as Optuna does it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from typing_extensions import override

from search.contract import Result, TunerTask
from search.space.spaces import Candidate

from .common import Baseline, options


class Tpe(Baseline):
    """Optuna's sampler, told log latencies."""

    name = "tpe"

    def __init__(self, task: TunerTask) -> None:
        super().__init__(task)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=task.seed, constant_liar=True, multivariate=True, group=True)
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        self._options = {space: options(*self.spaces.domain(space)) for space in range(len(self.spaces))}
        self._trials: dict[int, optuna.Trial] = {}  # by the candidate's key

    @override
    def propose(self, number: int) -> list[Candidate]:
        # What is not valid, or was proposed before, is told as failed.
        found: list[Candidate] = []
        for _ in self.attempts(number):
            if len(found) == number:
                break
            trial = self._study.ask()
            space = trial.suggest_categorical("space", list(self._options))
            decisions = {
                place: values[trial.suggest_int(f"{space}.{place}", 0, len(values) - 1)]
                if len(values) > 1
                else values[0]
                for place, values in self._options[space].items()
            }
            (candidate,) = self.spaces.make([(space, decisions)])
            if candidate is not None and self.is_new(candidate):
                found.append(candidate)
                self._trials[candidate.key] = trial
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return found

    @override
    def learn(self, batch: Sequence[Candidate], results: Sequence[Result]) -> None:
        for candidate, result in zip(batch, results, strict=True):
            trial = self._trials.pop(candidate.key)
            if result.run_secs is not None:
                self._study.tell(trial, float(np.log(result.run_secs)))
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
