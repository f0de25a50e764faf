"""The pool that the acquisition chooses from: fresh samples, and changes of what is measured or predicted to be good.

Replaying and featurising a candidate takes milliseconds and is what a strategy's own time goes into. So only those
decisions are replayed that screening scores best, each once; a candidate is kept in the pool while its score is good,
and never proposed twice.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodels.features.packing import Unpacked
from costmodels.kinds import of_kind
from costmodels.model import CostModel
from search.bo.acquisition import lower_confidence_bound
from search.bo.pool import EMPTY, Pool
from search.bo.screening import Screen
from search.bo.spread import unlike
from search.bo.surrogate import Surrogate
from search.bo.warm_start import History, failed
from search.space.decisions import Decisions, decision_key, encoded
from search.space.funnel import Funnel
from search.space.spaces import Candidate, DesignSpaces

_log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Budget:
    """How many candidates a batch looks at."""

    first_samples: int = 64  # fresh ones before the first batch
    cold_samples: int = 256  # the same without any prior, where samples are all there is
    late_samples: int = 32  # of the first, so many when the first batch is measured: it waits for the others only
    first_generations: int = 10
    late_generations: int = 7  # the same of these
    samples: int = 4  # fresh ones before each later batch: other design spaces stay in sight
    generations: int = 2
    screened: int = 512  # changes of parents that are looked at in a generation
    replayed: int = 20  # of those: the best scored
    mutations: int = 2  # by MetaSchedule's own mutators
    parents: int = 32
    pool: int = 384  # kept from batch to batch
    refined: int = 1  # of the best measured, whose neighbours are all looked at in the end


WIDE = Budget(first_samples=96, late_samples=0, first_generations=2, late_generations=0, generations=1)
"""For who wants to know the space, and not only its best: more of it, and less of what lies around the best."""


class Proposer:
    """Keeps the pool of one task's candidates.

    Args:
        spaces: The design spaces that candidates come from.
        model: The cost model whose predictions are prior means; None gives 0.
        budget: How many candidates a batch looks at.
    """

    def __init__(self, spaces: DesignSpaces, model: CostModel | None, budget: Budget | None = None) -> None:
        spaces.put_off_packing()
        self._spaces, self._model = spaces, model
        self._budget = budget or Budget()
        self._seen: set[int] = set()
        self._tried: set[Any] = set()
        self._pool = EMPTY
        self._measured = EMPTY
        self._failed = EMPTY  # in earlier runs
        self._measured_log_secs: FloatArray = np.empty(0)
        self._first = True
        self._has_features = False  # whether any candidate had
        self._owed = (0, 0)  # samples and generations that were put off

    @property
    def pool(self) -> Pool:
        """What may be proposed, as it stands."""
        return self._pool

    @property
    def funnel(self) -> Funnel:
        """How many candidates were tried so far, and what refused them."""
        return self._spaces.funnel

    def warm_start(self, history: History, surrogate: Surrogate) -> int:
        """Begins with what a store knows of the task.

        The task's earlier trials are never proposed again, those of other targets tell the surrogate which candidates
        are fast, and the schedules of similar workloads stand in the pool next to fresh samples.

        Args:
            history: What is known.
            surrogate: The posterior that observes it.

        Returns:
            How many of the task's earlier trials count as measured.
        """
        replayed = self._spaces.replay_recorded([trial.trace for trial in history.trials])
        self._seen.update(candidate.key for candidate in replayed if candidate is not None)
        pairs = [(c, trial) for c, trial in zip(replayed, history.trials, strict=True) if c is not None]
        pool, run_secs = self._described_with([(c, min(trial.run_secs)) for c, trial in pairs if not failed(trial)])
        surrogate.observe(pool.features, pool.prior, run_secs)
        self.learn(pool, run_secs)
        self._failed = self._described([c for c, trial in pairs if failed(trial)])
        surrogate.observe_failures(self._failed.features)
        replayed = self._spaces.replay_recorded([trial.trace for trial in history.other_targets])
        of_target: dict[str, list[tuple[Candidate, float]]] = defaultdict(list)
        for candidate, trial in zip(replayed, history.other_targets, strict=True):
            if candidate is not None:
                of_target[trial.target_id].append((candidate, min(trial.run_secs)))
        for measured in of_target.values():
            others, secs = self._described_with(measured)
            surrogate.observe_other_target(others.features, others.prior, secs)
            self._add(others.candidates)
        similar = self._spaces.replay_similar(history.similar)
        self._add(similar)
        _log.info(
            "from the store: %d earlier trials, %d of other targets, %d schedules of similar workloads",
            len(pool),
            sum(map(len, of_target.values())),
            len(similar),
        )
        return len(pool)

    def propose(self, surrogate: Surrogate, beta: float, *, at_once: bool = False) -> Pool:
        """The pool that the acquisition chooses from: new candidates joined to the best scored of the old.

        Args:
            surrogate: The posterior.
            beta: The weight of the standard deviation in a candidate's score, as in the acquisition, to which changes
                of the best alone would leave nothing else to choose from.
            at_once: Whether nothing is put off until the first batch is measured.
        """
        budget = self._budget
        first, self._first = self._first, False
        blind = self._model is None and surrogate.num_measured == 0
        if blind:
            self._add(self._spaces.sample(budget.cold_samples))
            return self._pool  # nothing says yet which of them are good parents
        samples, generations = self._owed[0] + budget.samples, self._owed[1] + budget.generations
        self._owed = (0, 0)
        if first:
            samples, generations = budget.first_samples, budget.first_generations
        if first and not at_once:
            self._owed = (budget.late_samples, budget.late_generations)
            samples, generations = samples - self._owed[0], generations - self._owed[1]
        self._add(self._spaces.sample(samples))
        for _ in range(generations):
            self._add(self._generation(surrogate, beta))
        if len(self._pool) > budget.pool:
            self._pool = self._pool.take(np.argsort(_bounds(surrogate, self._pool, beta), kind="stable")[: budget.pool])
        return self._pool

    def choose(self, pick: Callable[[Pool], Sequence[int]]) -> Pool:
        """What `pick` wants of the pool, verified: asked again while some turn out to be other programs.

        Args:
            pick: Gives places in the pool that it is given.
        """
        while True:
            places = pick(self._pool)
            if self._verify(self._pool.take(places).candidates):
                return self._pool.take(places)

    def withdraw(self, batch: Pool) -> None:
        """Takes candidates that are about to be measured out of the pool."""
        keys = {candidate.key for candidate in batch.candidates}
        self._pool = self._pool.take([i for i, c in enumerate(self._pool.candidates) if c.key not in keys])

    def give_back(self, batch: Pool) -> None:
        """Puts candidates that were withdrawn, and never measured, back into the pool."""
        self._pool = self._pool.join(batch)

    def refine(self) -> None:
        """Adds all that is one step away from the best measured candidates: the next `propose` may choose from it."""
        best = np.argsort(self._measured_log_secs, kind="stable")[: self._budget.refined]
        near = {
            (space, decision_key(decisions)): (space, decisions)
            for place in best
            for space, decisions in self._spaces.neighbours(self._measured.candidates[place])
        }
        new = {key: wanted for key, wanted in near.items() if key not in self._tried}
        self._tried.update(new)
        self._add([candidate for candidate in self._spaces.replay_fast(new.values()) if candidate is not None])

    def believed_best(self, surrogate: Surrogate, number: int) -> Sequence[Candidate]:
        """The candidates with the lowest posterior means, measured ones among them; the best first."""
        self.propose(surrogate, beta=0.0, at_once=True)
        while True:
            everything = self._pool.join(self._measured)
            if not len(everything):
                return ()
            best = np.argsort(_bounds(surrogate, everything, 0.0), kind="stable")[:number]
            if self._verify(everything.take(best).candidates):
                return self._pool.join(self._measured).take(best).candidates

    def learn(self, batch: Pool, run_secs: FloatArray) -> None:
        """Takes a measured batch out of the pool; the good ones become parents.

        Args:
            batch: n measured candidates.
            run_secs: Their latencies [n] in seconds, infinite for failures.
        """
        self.withdraw(batch)
        good = np.flatnonzero(np.isfinite(run_secs))
        self._measured = self._measured.join(batch.take(good))
        self._measured_log_secs = np.concatenate([self._measured_log_secs, np.log(run_secs[good])])

    def known(self, number: int) -> Pool:
        """What was measured already, here or in earlier runs: the best first, what failed last.

        Args:
            number: How many at most.
        """
        best = self._measured.take(np.argsort(self._measured_log_secs, kind="stable"))
        chosen = best.join(self._failed).take(range(min(number, len(best) + len(self._failed))))
        for candidate in chosen.candidates:
            self._spaces.pack(candidate)
        return chosen

    def close(self) -> None:
        """Ends the replaying threads."""
        self._spaces.close()

    def _add(self, candidates: Sequence[Candidate]) -> None:
        fresh: dict[int, Candidate] = {}
        for candidate in candidates:
            if candidate.key not in self._seen:
                fresh.setdefault(candidate.key, candidate)
            self._tried.add((candidate.space, decision_key(candidate.decisions)))
        self._seen.update(fresh)
        self._pool = self._pool.join(self._described(list(fresh.values())))

    def _verify(self, candidates: Sequence[Candidate]) -> bool:
        """Replays candidates of the pool TVM's way; whether all are the programs that they seemed to be.

        The pool then has what they are in their place, in the same order, or without those that are not.
        """
        unverified = [candidate for candidate in candidates if not (candidate.is_verified and candidate.is_packed)]
        if not unverified:
            return True
        made = dict(zip((candidate.key for candidate in unverified), self._spaces.verified(unverified), strict=True))
        now = [made.get(candidate.key, candidate) for candidate in self._pool.candidates]
        same = [
            (place, candidate)
            for place, (candidate, before) in enumerate(zip(now, self._pool.candidates, strict=True))
            if candidate is not None and candidate.key == before.key
        ]
        kept = self._pool.take([place for place, _ in same])
        self._pool = Pool(tuple(candidate for _, candidate in same), kept.features, kept.prior)
        self._add([candidate for candidate in made.values() if candidate is not None])
        return len(same) == len(now)

    def _described(self, candidates: Sequence[Candidate]) -> Pool:
        """Candidates with features and prior means; without those that have no features.

        Where none of the task has any (a running sum has no block that they could describe), all are alike: features
        and prior means are 0, and what is measured alone tells them apart.
        """
        if not candidates:
            return EMPTY
        family = of_kind(self._spaces.target_kind).features
        schedules = [
            c.schedule if c.is_packed else Unpacked(c.schedule, partial(self._spaces.pack, c)) for c in candidates
        ]
        features = family.extract(schedules, self._spaces.context)
        usable = np.flatnonzero(np.isfinite(features).all(axis=1))
        self._has_features = self._has_features or len(usable) > 0
        if not self._has_features:
            return Pool(tuple(candidates), np.zeros(features.shape), np.zeros(len(candidates)))
        features = features[usable]
        if not len(usable):
            return EMPTY
        prior = self._model.predict(features).mean if self._model is not None else np.zeros(len(usable))
        return Pool(tuple(candidates[int(i)] for i in usable), features, prior)

    def _described_with(self, measured: Sequence[tuple[Candidate, float]]) -> tuple[Pool, FloatArray]:
        """Measured candidates that have features, and their latencies [n] in seconds."""
        pool = self._described([candidate for candidate, _ in measured])
        secs = {id(candidate): run_secs for candidate, run_secs in measured}
        return pool, np.array([secs[id(candidate)] for candidate in pool.candidates])

    def _generation(self, surrogate: Surrogate, beta: float) -> list[Candidate]:
        """Changes of the parents, of which the best scored are replayed."""
        budget = self._budget
        parents, weights = self._parents(surrogate, beta)
        new: dict[Any, tuple[int, Decisions]] = {}
        for space, decisions in self._spaces.vary(parents, budget.screened, weights):
            key = (space, decision_key(decisions))
            if key not in self._tried:
                new[key] = (space, decisions)
        keys = list(new)
        scores = self._scores(surrogate, list(new.values()), beta)
        chosen = [keys[int(i)] for i in np.argsort(scores, kind="stable")[: budget.replayed]]
        self._tried.update(chosen)
        made = [
            candidate for candidate in self._spaces.replay_fast(new[key] for key in chosen) if candidate is not None
        ]
        return made + self._spaces.mutate(parents, budget.mutations, weights)

    def _scores(self, surrogate: Surrogate, wanted: Sequence[tuple[int, Decisions]], beta: float) -> FloatArray:
        """Acquisition scores [n] of decisions, lower is better; all equal where too little is known of a space."""
        if not wanted:
            return np.empty(0)
        known = self._pool.join(self._measured)
        bounds = _bounds(surrogate, known, beta)
        scores = np.full(len(wanted), float(bounds.min()))  # where nothing is known, everything may be
        for space in sorted({space for space, _ in wanted}):
            here = [i for i, candidate in enumerate(known.candidates) if candidate.space == space]
            if not here:
                continue
            screen = Screen(np.stack([known.candidates[i].encoding for i in here]), bounds[here])
            places = [i for i, (its, _) in enumerate(wanted) if its == space]
            if screen.is_ready:
                scores[places] = screen.guess(np.stack([encoded(wanted[i][1]) for i in places]))
        return scores

    def _parents(self, surrogate: Surrogate, beta: float) -> tuple[list[Candidate], FloatArray]:
        """Half are the best measured, half the best scored, none alike; better ones are drawn more often."""
        half = self._budget.parents // 2
        bounds = _bounds(surrogate, self._pool, beta)
        elite = _unlike(surrogate, self._measured, self._measured_log_secs, half)
        scored = _unlike(surrogate, self._pool, bounds, self._budget.parents - len(elite))
        parents = [self._measured.candidates[i] for i in elite] + [self._pool.candidates[i] for i in scored]
        ranks = np.concatenate([np.arange(len(elite)), np.arange(len(scored))])
        weights = 1.0 / (1.0 + ranks)
        return parents, weights / weights.sum()


def _unlike(surrogate: Surrogate, pool: Pool, scores: FloatArray, number: int) -> npt.NDArray[np.int64]:
    """Places of the best scored of a pool that are unlike each other."""
    if not len(pool):
        return np.empty(0, dtype=np.int64)
    return unlike(scores, surrogate.standardised(pool.features), number)


def _bounds(surrogate: Surrogate, pool: Pool, beta: float) -> FloatArray:
    """Lower confidence bounds [n] of the candidates of a pool, in nats of log latency."""
    if not len(pool):  # nor has it features, by which the surrogate could tell how many there are
        return np.empty(0)
    return lower_confidence_bound(*surrogate.marginals(pool.features, pool.prior), beta)
