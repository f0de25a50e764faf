"""Candidates worth a thought: fresh samples, and changes of what is measured or predicted to be good.

Replaying and featurising a candidate takes milliseconds and is what a strategy's own time goes into, so only those are
replayed whose decisions promise something, each once, kept in the pool while it is promising and never proposed twice.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from search.bo.acquisition import lower_confidence_bound
from search.bo.screening import Screen
from search.bo.surrogate import Surrogate
from search.bo.warm_start import History, failed
from search.space.decisions import Decisions, decision_key, encoded
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
    replayed: int = 20  # of those: the most promising
    mutations: int = 2  # by MetaSchedule's own mutators
    parents: int = 32
    pool: int = 384  # kept from batch to batch
    polished: int = 1  # of the best measured, whose neighbours are all looked at in the end


@dataclass(frozen=True, slots=True)
class Pool:
    """n candidates with their features [n, d] and prior means [n] (nats of log latency)."""

    candidates: tuple[Candidate, ...]
    features: FloatArray
    prior: FloatArray

    def __len__(self) -> int:
        return len(self.candidates)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Pool:
        """The candidates at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Pool(tuple(self.candidates[i] for i in chosen), self.features[chosen], self.prior[chosen])

    def join(self, other: Pool) -> Pool:
        """This pool followed by another."""
        if not len(self):
            return other
        if not len(other):
            return self
        return Pool(
            self.candidates + other.candidates,
            np.vstack([self.features, other.features]),
            np.concatenate([self.prior, other.prior]),
        )


EMPTY = Pool((), np.empty((0, 0)), np.empty(0))


class Proposer:
    """Keeps the pool of one task's candidates.

    Args:
        spaces: where candidates come from.
        context: the task's tune context, for the feature extractor.
        model: gives prior means; None gives 0.
        budget: how many candidates a batch looks at.
    """

    def __init__(
        self, spaces: DesignSpaces, context: Any, model: CostModel | None, budget: Budget | None = None
    ) -> None:
        self._spaces, self._context, self._model = spaces, context, model
        self._budget = budget or Budget()
        self._seen: set[int] = set()
        self._tried: set[Any] = set()
        self._pool = EMPTY
        self._measured = EMPTY
        self._measured_log_secs: FloatArray = np.empty(0)
        self._first = True
        self._owed = (0, 0)  # samples and generations that were put off

    def remember(self, history: History, surrogate: Surrogate) -> int:
        """Begins with what a store knows of the task; returns how many of its own trials count as measured.

        Own trials are never proposed again, those of other targets tell the surrogate something, and the schedules of
        relatives stand in the pool next to fresh samples.
        """
        revived = self._spaces.revive([trial.trace for trial in history.own])
        self._seen.update(candidate.key for candidate in revived if candidate is not None)
        good = [
            (candidate, min(trial.run_secs))
            for candidate, trial in zip(revived, history.own, strict=True)
            if candidate is not None and not failed(trial)
        ]
        pool, run_secs = self._described_with(good)
        surrogate.observe(pool.features, pool.prior, run_secs)
        self.learn(pool, run_secs)
        bad = [c for c, trial in zip(revived, history.own, strict=True) if c is not None and failed(trial)]
        surrogate.observe_failures(self._described(bad).features)
        revived = self._spaces.revive([trial.trace for trial in history.elsewhere])
        there: dict[str, list[tuple[Candidate, float]]] = defaultdict(list)
        for candidate, trial in zip(revived, history.elsewhere, strict=True):
            if candidate is not None:
                there[trial.target_id].append((candidate, min(trial.run_secs)))
        for pairs in there.values():
            elsewhere, secs = self._described_with(pairs)
            surrogate.observe_elsewhere(elsewhere.features, elsewhere.prior, secs)
            self._add(elsewhere.candidates)
        relatives = [candidate for candidate in self._spaces.revive(history.relatives) if candidate is not None]
        self._add(relatives)
        _log.info(
            "from the store: %d own trials, %d of other targets, %d schedules of relatives",
            len(pool),
            sum(map(len, there.values())),
            len(relatives),
        )
        return len(pool)

    def propose(self, surrogate: Surrogate, beta: float, *, at_once: bool = False) -> Pool:
        """The pool that the acquisition chooses from: new candidates joined to the most promising of the old.

        Args:
            surrogate: what is believed.
            beta: weight of the standard deviation in what a candidate promises, as in the acquisition, to which kin
                of the best alone would leave nothing else to choose from.
            at_once: whether nothing is put off until the first batch is measured.
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
        """What `pick` wants of the pool, settled: asked again while some turn out to be other programs.

        Args:
            pick: gives places in the pool that it is given.
        """
        while True:
            places = pick(self._pool)
            if self._settle(self._pool.take(places).candidates):
                return self._pool.take(places)

    def polish(self) -> None:
        """Adds all that is one step away from the best measured candidates: the next `propose` may choose from it."""
        best = np.argsort(self._measured_log_secs, kind="stable")[: self._budget.polished]
        near = {
            (space, decision_key(decisions)): (space, decisions)
            for place in best
            for space, decisions in self._spaces.neighbours(self._measured.candidates[place])
        }
        new = {key: wanted for key, wanted in near.items() if key not in self._tried}
        self._tried.update(new)
        self._add([candidate for candidate in self._spaces.sketch(new.values()) if candidate is not None])

    def believed_best(self, surrogate: Surrogate, number: int) -> Sequence[Candidate]:
        """The candidates with the lowest posterior means, measured ones among them; the best first."""
        self.propose(surrogate, beta=0.0, at_once=True)
        while True:
            everything = self._pool.join(self._measured)
            if not len(everything):
                return ()
            best = np.argsort(_bounds(surrogate, everything, 0.0), kind="stable")[:number]
            if self._settle(everything.take(best).candidates):
                return self._pool.join(self._measured).take(best).candidates

    def learn(self, batch: Pool, run_secs: FloatArray) -> None:
        """Takes a measured batch out of the pool; the good ones become parents. `run_secs` [n], inf for failures."""
        keys = {candidate.key for candidate in batch.candidates}
        self._pool = self._pool.take([i for i, c in enumerate(self._pool.candidates) if c.key not in keys])
        good = np.flatnonzero(np.isfinite(run_secs))
        self._measured = self._measured.join(batch.take(good))
        self._measured_log_secs = np.concatenate([self._measured_log_secs, np.log(run_secs[good])])

    def close(self) -> None:
        """Ends the replaying threads."""
        self._spaces.close()

    def _add(self, candidates: Sequence[Candidate]) -> None:
        fresh: dict[int, Candidate] = {}
        for candidate in candidates:
            if candidate.key not in self._seen:
                fresh.setdefault(candidate.key, candidate)
        self._seen.update(fresh)
        self._pool = self._pool.join(self._described(list(fresh.values())))

    def _settle(self, candidates: Sequence[Candidate]) -> bool:
        """Replays candidates of the pool TVM's way; whether all are the programs that they seemed to be.

        The pool then has what they are in their place, in the same order, or without those that are not.
        """
        sketched = [candidate for candidate in candidates if not candidate.is_settled]
        if not sketched:
            return True
        made = dict(zip((candidate.key for candidate in sketched), self._spaces.settled(sketched), strict=True))
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
        """Candidates with features and prior means; without those that have no features."""
        if not candidates:
            return EMPTY
        family = of_kind(str(self._context.target.kind.name)).features
        features = family.extract([c.schedule for c in candidates], self._context)
        usable = np.flatnonzero(np.isfinite(features).all(axis=1))
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
        """Changes of the parents, of which those are replayed whose decisions promise most."""
        budget = self._budget
        parents, weights = self._parents(surrogate, beta)
        new: dict[Any, tuple[int, Decisions]] = {}
        for space, decisions in self._spaces.vary(parents, budget.screened, weights):
            key = (space, decision_key(decisions))
            if key not in self._tried:
                new[key] = (space, decisions)
        keys = list(new)
        promises = self._promises(surrogate, list(new.values()), beta)
        chosen = [keys[int(i)] for i in np.argsort(promises, kind="stable")[: budget.replayed]]
        self._tried.update(chosen)
        made = [candidate for candidate in self._spaces.sketch(new[key] for key in chosen) if candidate is not None]
        return made + self._spaces.mutate(parents, budget.mutations, weights)

    def _promises(self, surrogate: Surrogate, wanted: Sequence[tuple[int, Decisions]], beta: float) -> FloatArray:
        """What decisions promise [n], lower is better; as they come where too little is known of a design space."""
        if not wanted:
            return np.empty(0)
        known = self._pool.join(self._measured)
        bounds = _bounds(surrogate, known, beta)
        promises = np.full(len(wanted), float(bounds.min()))  # where nothing is known, everything may be
        for space in sorted({space for space, _ in wanted}):
            here = [i for i, candidate in enumerate(known.candidates) if candidate.space == space]
            if not here:
                continue
            screen = Screen(np.stack([known.candidates[i].encoding for i in here]), bounds[here])
            places = [i for i, (its, _) in enumerate(wanted) if its == space]
            if screen.is_ready:
                promises[places] = screen.guess(np.stack([encoded(wanted[i][1]) for i in places]))
        return promises

    def _parents(self, surrogate: Surrogate, beta: float) -> tuple[list[Candidate], FloatArray]:
        """Half of the parents are the best measured, half the most promising; better ones are drawn more often."""
        half = self._budget.parents // 2
        elite = np.argsort(self._measured_log_secs, kind="stable")[:half]
        bounds = _bounds(surrogate, self._pool, beta)
        promising = np.argsort(bounds, kind="stable")[: self._budget.parents - len(elite)]
        parents = [self._measured.candidates[i] for i in elite] + [self._pool.candidates[i] for i in promising]
        ranks = np.concatenate([np.arange(len(elite)), np.arange(len(promising))])
        weights = 1.0 / (1.0 + ranks)
        return parents, weights / weights.sum()


def _bounds(surrogate: Surrogate, pool: Pool, beta: float) -> FloatArray:
    """What the candidates of a pool promise [n], in nats of log latency."""
    if not len(pool):  # nor has it features, by which the surrogate could tell how many there are
        return np.empty(0)
    return lower_confidence_bound(*surrogate.marginals(pool.features, pool.prior), beta)
