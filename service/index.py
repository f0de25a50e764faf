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
from typing import cast

from service.kept import KEPT, Fastest, NotKeptError, Pair, Small, State, View, latency
from service.seen import SeenTraces
from tunedb.errors import TunedbError
from tunedb.identity import trace_id
from tunedb.query.best import Best, best
from tunedb.query.trust import Trust
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Trial
from tunedb.store.contract import Store
from tunedb.store.delta.follow import Follower, rows_of
from tunedb.store.delta.store import DeltaStore
from tunedb.store.resolve import pick_target

_log = logging.getLogger(__name__)

_MOST_TRIALS = 4_096  # of these; beyond, the store is asked
_PAIRS = 1_024  # workloads x targets that are kept
_NAMES = 10_000  # of workloads
_SMALL = ("hardware", "targets", "workloads", "modules", "sources", "deliveries", "verdicts")
_COLUMNS = ("workload_id", "target_id", "trace_id", "conditions", "outcome", "run_secs")


class BestIndex:
    """Answers `best` from memory.

    Args:
        store: the store, opened for this index alone, which closes it.
    """

    def __init__(self, store: DeltaStore) -> None:
        self._store = store
        self._lock = threading.Lock()  # of whoever brings it up to date
        self._trials = Follower(store.url, "trials")
        self._tables = {name: Follower(store.url, name) for name in _SMALL}
        self._state: State | None = None
        self._asked: dict[Pair, float] = {}
        self._seen = SeenTraces()  # at least all traces of what is kept
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

    def _followed(self, state: State | None) -> State:
        if state is None or self._seen.is_full:
            self._seen = SeenTraces()
            for follower in (self._trials, *self._tables.values()):
                follower.start()
            return State(Small.of(self._store))
        files = self._trials.move()
        moved = {name for name, follower in self._tables.items() if follower.has_moved()}
        for name in moved:
            self._tables[name].start()
        small = Small.of(self._store) if moved - {"workloads", "modules"} else state.small
        names = {} if moved & {"workloads", "modules"} else state.names
        return State(small, names, {} if files is None else self._improved(state.fastest, files))

    def _improved(self, fastest: Mapping[Pair, Fastest], files: Sequence[str]) -> Mapping[Pair, Fastest]:
        """What is known, with what files tell."""
        told: dict[Pair, set[str]] = defaultdict(set)
        came: dict[Pair, set[str]] = defaultdict(set)
        for table in rows_of(files if fastest else (), _COLUMNS):
            columns = [table.column(name).to_pylist() for name in _COLUMNS]
            for workload_id, target_id, trace, conditions, outcome, run_secs in zip(*columns, strict=True):
                pair = (workload_id, target_id)
                known = fastest.get(pair)
                if known is None:
                    continue
                came[pair].add(trace)
                if outcome == Outcome.OK and (
                    trace in known.trials or (conditions == DEFAULT_CONDITIONS and min(run_secs) <= known.slowest)
                ):
                    told[pair].add(trace)
        read = self._told(told, files)
        for pair, traces in came.items():
            self._seen.add(pair, traces)
        improved = {
            **fastest,
            **{pair: Fastest.of({**fastest[pair].trials, **new}, fastest[pair].slowest) for pair, new in read.items()},
        }
        return {pair: known for pair, known in improved.items() if known.num_trials <= _MOST_TRIALS}

    def _told(self, told: Mapping[Pair, set[str]], files: Sequence[str]) -> dict[Pair, dict[str, list[Trial]]]:
        """The good trials of traces. All those of a trace that was never there before are in the new files."""
        old = {pair: self._seen.among(pair, traces) for pair, traces in told.items()}
        read: dict[Pair, dict[str, list[Trial]]] = {}
        for pair, traces in old.items():
            read[pair] = self._read(pair, traces) if traces else defaultdict(list)
        new = sorted({trace for pair, traces in told.items() for trace in traces - old[pair]})
        for trial in self._store.trials_in(files, new):
            pair, trace = (trial.workload_id, trial.target_id), trace_id(trial.trace)
            if trial.outcome is Outcome.OK and trace in told.get(pair, ()) and trace not in old[pair]:
                read[pair][trace].append(trial)
        return read

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
            self._state = State(state.small, names, fastest)

    def _make_place(self, fastest: dict[Pair, Fastest]) -> None:
        while len(fastest) >= _PAIRS:
            oldest = min(fastest, key=lambda one: self._asked.get(one, 0.0))
            del fastest[oldest]
        self._asked = {pair: self._asked.get(pair, 0.0) for pair in fastest}

    def _loaded(self, pair: Pair) -> Fastest:
        self._seen.add(pair, self._store.trace_ids(*pair))
        found = self._store.schedules(*pair, KEPT + 1)
        slowest = latency(found[KEPT - 1]) if len(found) > KEPT else math.inf
        self._asked[pair] = time.monotonic()
        return Fastest.of(self._read(pair, {row.trace_id for row in found[:KEPT]}), slowest)

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
        view = cast(Store, View(state, self._asked))
        try:
            return best(view, prefix, target, top, reader=reader, around=around)
        except TunedbError as error:
            raise NotKeptError from error

    def close(self) -> None:
        """Closes its store."""
        with self._lock:
            self._state = None
            self._store.close()
