"""What the index has in memory: the fastest schedules of some workloads, and the small tables. None of it changes."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunedb.identity import passes_of, schedule_of
from tunedb.query.best import Around
from tunedb.records import DEFAULT_CONDITIONS, Schedule, Target, Trial, Verdict, WorkloadSummary
from tunedb.store.contract import StoreReader
from tunedb.store.resolve import pick_target

KEPT = 64  # schedules of a workload on a target

Pair = tuple[str, str]  # workload and target


class NotKeptError(Exception):
    """The index does not have it: ask the store."""


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest schedules of a workload on a target."""

    trials: Mapping[str, Sequence[Trial]]  # all good ones, by trace
    schedules: Sequence[Schedule]  # that are known to be the fastest, in order
    slowest: float  # all others are no faster; infinite where there are no others

    @classmethod
    def of(cls, trials: Mapping[str, Sequence[Trial]], slowest: float) -> Fastest:
        """The fastest of all good trials of some traces; those of no other are faster than `slowest`, in seconds."""
        found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
        for trial in (trial for group in trials.values() for trial in group):
            if trial.conditions == DEFAULT_CONDITIONS:
                found[schedule_of(trial)].append(trial)
        schedules = [Schedule(*key, tuple(passes_of(group))) for key, group in found.items()]
        timed = sorted((latency(one), one.hardware_id, one.trace_id, one) for one in schedules)
        if len(timed) > 2 * KEPT:
            slowest = min(slowest, timed[KEPT - 1][0])
            kept = {row[3].trace_id for row in timed[:KEPT]}
            trials = {trace: group for trace, group in trials.items() if trace in kept}
        return cls(trials, tuple(row[3] for row in timed if row[0] < slowest), slowest)

    @property
    def is_all(self) -> bool:
        """Whether there are no other schedules."""
        return math.isinf(self.slowest)

    @property
    def num_trials(self) -> int:
        """How many trials it has."""
        return sum(map(len, self.trials.values()))


@dataclass(frozen=True, slots=True)
class Small:
    """The small tables."""

    targets: Sequence[Target]
    around: Around
    verdicts: Mapping[Pair, Sequence[Verdict]]

    @classmethod
    def of(cls, store: StoreReader) -> Small:
        """As a store has it now."""
        verdicts: dict[Pair, list[Verdict]] = defaultdict(list)
        for verdict in store.verdicts():
            verdicts[verdict.workload_id, verdict.target_id].append(verdict)
        return cls(store.targets(), Around.of(store, ""), verdicts)


@dataclass(frozen=True, slots=True)
class State:
    """All that is known at one time."""

    small: Small
    names: Mapping[str, WorkloadSummary] = field(default_factory=dict)  # workloads by what they were asked for as
    fastest: Mapping[Pair, Fastest] = field(default_factory=dict)


class View:
    """Those questions of a store that `best` asks, answered from memory."""

    def __init__(self, state: State, asked: dict[Pair, float]) -> None:
        self._state, self._asked = state, asked

    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """A workload; its counts are as of when it was first asked for, and `best` uses none."""
        found = self._state.names.get(prefix)
        if found is None:
            raise NotKeptError
        return found

    def targets(self) -> Sequence[Target]:
        """All targets."""
        return self._state.small.targets

    def resolve_target(self, text: str) -> Target:
        """The target that a text names."""
        return pick_target(self._state.small.targets, text)

    def verdicts(self, workload_id: str, target_id: str) -> Sequence[Verdict]:
        """The verdicts on schedules of a workload on a target."""
        return self._state.small.verdicts.get((workload_id, target_id), ())

    def schedules(self, workload_id: str, target_id: str, limit: int, *, conditions: str) -> Sequence[Schedule]:
        """The fastest schedules, in order."""
        known = self._known(workload_id, target_id)
        if conditions != DEFAULT_CONDITIONS or (limit > len(known.schedules) and not known.is_all):
            raise NotKeptError
        return known.schedules[:limit]

    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        """The good trials of some traces."""
        known = self._known(workload_id, target_id)
        return [trial for trace in trace_ids for trial in known.trials[trace]]

    def _known(self, workload_id: str, target_id: str) -> Fastest:
        pair = (workload_id, target_id)
        found = self._state.fastest.get(pair)
        if found is None:
            raise NotKeptError
        self._asked[pair] = time.monotonic()
        return found

    def __getattr__(self, name: str) -> Any:
        raise NotKeptError(name)


def latency(schedule: Schedule) -> float:
    """The latency of a schedule in seconds, as `tunedb.query.estimates` has it."""
    return math.exp(sum(math.log(min(one)) for one in schedule.passes) / len(schedule.passes))
