"""The best of what is asked for again and again, in memory, so that `best` waits for no commit and reads no file.

For each workload and target that was asked for lately it has all good trials of the fastest schedules. After each
commit of the writer it is brought up to date, before the commit is acknowledged. What others commit to the same store
it sees by the tables' logs, when it is asked. What it does not have, the store itself is asked for.

Who asks reads what never changes: a new state takes the place of the one before. So asking waits for nobody.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tunedb.errors import TunedbError
from tunedb.identity import passes_of, schedule_of, trace_id
from tunedb.query.best import Around, Best, best
from tunedb.query.trust import Trust
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Schedule, Target, Trial, Verdict, WorkloadSummary
from tunedb.store.contract import Store, StoreReader
from tunedb.store.delta.follow import Follower, rows_of
from tunedb.store.resolve import pick_target

_log = logging.getLogger(__name__)

_KEPT = 64  # schedules of a workload on a target
_MOST_TRIALS = 4_096  # of these; beyond, the store is asked
_PAIRS = 1_024  # workloads x targets that are kept
_NAMES = 10_000  # of workloads
_SMALL = ("hardware", "targets", "workloads", "modules", "sources", "deliveries", "verdicts")
_COLUMNS = ("workload_id", "target_id", "trace_id", "conditions", "outcome", "run_secs")

Pair = tuple[str, str]  # workload and target


class NotKeptError(Exception):
    """The index does not have it: ask the store."""


@dataclass(frozen=True, slots=True)
class _Fastest:
    """The fastest schedules of a workload on a target."""

    trials: Mapping[str, Sequence[Trial]]  # all good ones, by trace
    schedules: Sequence[Schedule]  # that are known to be the fastest, in order
    slowest: float  # all others are no faster; infinite where there are no others

    @classmethod
    def of(cls, trials: Mapping[str, Sequence[Trial]], slowest: float) -> _Fastest:
        found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
        for trial in (trial for group in trials.values() for trial in group):
            if trial.conditions == DEFAULT_CONDITIONS:
                found[schedule_of(trial)].append(trial)
        schedules = [Schedule(*key, tuple(passes_of(group))) for key, group in found.items()]
        timed = sorted((_latency(one), one.hardware_id, one.trace_id, one) for one in schedules)
        if len(timed) > 2 * _KEPT:
            slowest = min(slowest, timed[_KEPT - 1][0])
            kept = {row[3].trace_id for row in timed[:_KEPT]}
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
class _Small:
    """The small tables."""

    targets: Sequence[Target]
    around: Around
    verdicts: Mapping[Pair, Sequence[Verdict]]

    @classmethod
    def of(cls, store: StoreReader) -> _Small:
        verdicts: dict[Pair, list[Verdict]] = defaultdict(list)
        for verdict in store.verdicts():
            verdicts[verdict.workload_id, verdict.target_id].append(verdict)
        return cls(store.targets(), Around.of(store, ""), verdicts)


@dataclass(frozen=True, slots=True)
class _State:
    """All that is known at one time."""

    small: _Small
    names: Mapping[str, WorkloadSummary] = field(default_factory=dict)  # workloads by what they were asked for as
    fastest: Mapping[Pair, _Fastest] = field(default_factory=dict)


class BestIndex:
    """Answers `best` from memory.

    Args:
        store: the store, opened for this index alone, which closes it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # of whoever brings it up to date
        self._trials = Follower(store.url, "trials")
        self._tables = {name: Follower(store.url, name) for name in _SMALL}
        self._state: _State | None = None
        self._asked: dict[Pair, float] = {}
        self._is_committing = False

    @property
    def is_current(self) -> bool:
        """Whether it knows all that is there, but for what is being committed."""
        if self._state is None:
            return False
        return self._is_committing or not (
            self._trials.has_moved() or any(follower.has_moved() for follower in self._tables.values())
        )

    @contextmanager
    def committing(self) -> Iterator[None]:
        """What the writer is in while it commits. At its end the index knows what was committed."""
        self._is_committing = True
        try:
            yield
        finally:
            if self._state is not None:  # else nobody has asked yet
                self.follow()
            self._is_committing = False

    def follow(self) -> None:
        """Brings it up to date. Whatever is in the way, it knows less afterwards, and nothing that is wrong."""
        with self._lock:
            try:
                self._state = self._followed(self._state)
            except Exception as error:  # a table may be repaired, or a merged file be gone
                _log.info("the index begins anew: %s", error)
                self._state = None

    def _followed(self, state: _State | None) -> _State:
        if state is None:
            for follower in (self._trials, *self._tables.values()):
                follower.start()
            return _State(_Small.of(self._store))
        files = self._trials.move()
        moved = {name for name, follower in self._tables.items() if follower.has_moved()}
        for name in moved:
            self._tables[name].start()
        small = _Small.of(self._store) if moved - {"workloads", "modules"} else state.small
        names = {} if moved & {"workloads", "modules"} else state.names
        return _State(small, names, {} if files is None else self._improved(state.fastest, files))

    def _improved(self, fastest: Mapping[Pair, _Fastest], files: Sequence[str]) -> Mapping[Pair, _Fastest]:
        """What is known, with what files tell."""
        told: dict[Pair, set[str]] = defaultdict(set)
        for table in rows_of(files if fastest else (), _COLUMNS):
            columns = [table.column(name).to_pylist() for name in _COLUMNS]
            for workload_id, target_id, trace, conditions, outcome, run_secs in zip(*columns, strict=True):
                known = fastest.get((workload_id, target_id))
                if known is None or outcome != Outcome.OK:
                    continue
                if trace in known.trials or (conditions == DEFAULT_CONDITIONS and min(run_secs) <= known.slowest):
                    told[workload_id, target_id].add(trace)
        read = {pair: {**fastest[pair].trials, **self._read(pair, traces)} for pair, traces in told.items()}
        improved = {**fastest, **{pair: _Fastest.of(trials, fastest[pair].slowest) for pair, trials in read.items()}}
        return {pair: known for pair, known in improved.items() if known.num_trials <= _MOST_TRIALS}

    def _read(self, pair: Pair, traces: Iterable[str]) -> dict[str, list[Trial]]:
        read: dict[str, list[Trial]] = defaultdict(list)
        for trial in self._store.trials_of_traces(*pair, sorted(traces)):
            if trial.outcome is Outcome.OK:
                read[trace_id(trial.trace)].append(trial)
        return read

    def learn(self, prefix: str, target: str | None) -> None:
        """Reads what a question is about, so that the next one is answered from memory.

        Raises:
            TunedbError: there is no such workload or target, or the store cannot be read.
        """
        if not self.is_current:
            self.follow()
        with self._lock:
            state = self._state
            if state is None:
                return
            names, fastest = dict(state.names), dict(state.fastest)
            if prefix not in names:
                while len(names) >= _NAMES:
                    del names[next(iter(names))]
                names[prefix] = self._store.resolve_workload(prefix)
            for one in state.small.targets if target is None else [pick_target(state.small.targets, target)]:
                pair = (names[prefix].workload_id, one.target_id)
                if pair not in fastest:
                    self._make_place(fastest)
                    fastest[pair] = self._loaded(pair)
            self._state = _State(state.small, names, fastest)

    def _make_place(self, fastest: dict[Pair, _Fastest]) -> None:
        while len(fastest) >= _PAIRS:
            oldest = min(fastest, key=lambda one: self._asked.get(one, 0.0))
            del fastest[oldest]
        self._asked = {pair: self._asked.get(pair, 0.0) for pair in fastest}

    def _loaded(self, pair: Pair) -> _Fastest:
        found = self._store.schedules(*pair, _KEPT + 1)
        slowest = _latency(found[_KEPT - 1]) if len(found) > _KEPT else math.inf
        self._asked[pair] = time.monotonic()
        return _Fastest.of(self._read(pair, {row.trace_id for row in found[:_KEPT]}), slowest)

    def best(self, prefix: str, target: str | None, top: int, reader: str) -> list[Best]:
        """As `tunedb.query.best.best` answers of the default conditions, from memory alone.

        Raises:
            NotKeptError: it cannot be answered so, or the answer is an error, of which the store knows more.
        """
        state = self._state
        if state is None:
            raise NotKeptError
        known = state.small.around
        around = dataclasses.replace(known, trust=Trust(known.trust.senders, reader))
        view = cast(Store, _View(state, self._asked))
        try:
            return best(view, prefix, target, top, reader=reader, around=around)
        except TunedbError as error:
            raise NotKeptError from error

    def close(self) -> None:
        """Closes its store."""
        with self._lock:
            self._state = None
            self._store.close()


class _View:
    """Those questions of a store that `best` asks, answered from memory."""

    def __init__(self, state: _State, asked: dict[Pair, float]) -> None:
        self._state, self._asked = state, asked

    def resolve_workload(self, prefix: str) -> WorkloadSummary:
        """A workload; its counts are as of when it was first asked for, and `best` uses none."""
        found = self._state.names.get(prefix)
        if found is None:
            raise NotKeptError
        return found

    def targets(self) -> Sequence[Target]:
        return self._state.small.targets

    def resolve_target(self, text: str) -> Target:
        return pick_target(self._state.small.targets, text)

    def verdicts(self, workload_id: str, target_id: str) -> Sequence[Verdict]:
        return self._state.small.verdicts.get((workload_id, target_id), ())

    def schedules(self, workload_id: str, target_id: str, limit: int, *, conditions: str) -> Sequence[Schedule]:
        known = self._known(workload_id, target_id)
        if conditions != DEFAULT_CONDITIONS or (limit > len(known.schedules) and not known.is_all):
            raise NotKeptError
        return known.schedules[:limit]

    def trials_of_traces(self, workload_id: str, target_id: str, trace_ids: Sequence[str]) -> list[Trial]:
        known = self._known(workload_id, target_id)
        return [trial for trace in trace_ids for trial in known.trials[trace]]

    def _known(self, workload_id: str, target_id: str) -> _Fastest:
        pair = (workload_id, target_id)
        found = self._state.fastest.get(pair)
        if found is None:
            raise NotKeptError
        self._asked[pair] = time.monotonic()
        return found

    def __getattr__(self, name: str) -> Any:
        raise NotKeptError(name)


def _latency(schedule: Schedule) -> float:
    return math.exp(sum(math.log(min(one)) for one in schedule.passes) / len(schedule.passes))
