"""Which candidates this run measures, where other runs on the same store measure candidates of the same workloads.

A run leases what it is about to measure, and gives the lease back when the trial is in the store. A candidate that
another run has in hand is left to it, and what came of it is learned from the store. One whose run has died is free
again when its lease is over.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from search.contract import Proposal, Result, Tuner
from tunedb.errors import StoreAwayError, StoreError
from tunedb.identity import content_hash, trace_id
from tunedb.metaschedule.replay import recorded_trace
from tunedb.query.estimates import estimate
from tunedb.records import Hardware, Outcome, Target, Trial
from tunedb.store.contract import Store

_LOG = logging.getLogger(__name__)

LEASE_SECS = 60.0  # of a run that renews them; what one that died had in hand is free after so long
_ASKS = 40  # for candidates that nobody else has, before a run gives up
_PAUSE_SECS = 0.5  # between two of them, once others have a few batches in hand
_ASKS_AT_ONCE = 4


@dataclass(slots=True)
class Elsewhere:
    """The proposals of one tuner that other runs have in hand: trace ids by proposal."""

    traces: dict[int, str] = field(default_factory=dict)


class Claims:
    """The leases of one run. A thread of its own renews them.

    Args:
        store: The store that the runs share.
        target: What is tuned for.
        hardware: What candidates run on.
        conditions: The conditions of measurement.
        since: When the run began: what was measured before, its tuners know from the store.
        secs: How long a lease lasts when it is not renewed.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        hardware: Hardware,
        conditions: str,
        since: datetime,
        secs: float = LEASE_SECS,
    ) -> None:
        self._store, self._leases, self._target_id = store, store.leases, target.target_id
        self._hardware_id, self._conditions, self._secs = hardware.hardware_id, conditions, secs
        self._holder = secrets.token_hex(8)
        self._since = since
        self._lock = threading.Lock()  # one call at a time for the holder
        self._held: set[str] = set()
        self._measured: set[str] = set()  # what `free` has granted so far
        self._is_alone = False  # the service is away
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="tunedb-leases", daemon=True)
        self._thread.start()

    def ask(self, tuner: Tuner, workload_id: str, number: int, elsewhere: Elsewhere) -> list[Proposal]:
        """Asks a tuner for proposals, and leases them; tells it what others found meanwhile.

        Args:
            tuner: The tuner of a task.
            workload_id: The task's workload.
            number: How many proposals there is a use for.
            elsewhere: The tuner's proposals that others have in hand; kept up to date.

        Returns:
            Proposals that nobody else measures; none where nothing is left, or others have all of it.

        Raises:
            StoreError: The store cannot be read, or leases not written. While a service is away, all is granted.
        """
        for attempt in range(_ASKS):
            if attempt >= _ASKS_AT_ONCE and self._closed.wait(_PAUSE_SECS):
                break
            self._learn(tuner, workload_id, elsewhere)
            proposals = tuner.ask(number, pending=list(elsewhere.traces))
            if not proposals and not elsewhere.traces:
                break
            traces = {one.number: trace_id(recorded_trace(one.candidate.schedule.trace)) for one in proposals}
            granted = self._claimed(workload_id, traces)
            known = self._measured_elsewhere(workload_id, [traces[one] for one in granted])
            done = {one for one in granted if traces[one] in known}
            elsewhere.traces |= {one: trace for one, trace in traces.items() if one not in granted or one in done}
            self._release([self._key(workload_id, traces[one]) for one in done])
            mine = [one for one in proposals if one.number in granted and one.number not in done]
            if mine:
                return mine
        return []

    def free(self, workload_id: str, traces: Sequence[str]) -> list[bool]:
        """Leases candidates of a strategy that is told of nothing that others found.

        Args:
            workload_id: The task's workload.
            traces: The ids of the candidates' traces.

        Returns:
            Of each whether it is this run's to measure: nobody else has it in hand, or measured it since the run began.
            What the run itself has measured, it may measure again.

        Raises:
            StoreError: The store cannot be read, or leases not written. While a service is away, all is granted.
        """
        granted = self._claimed(workload_id, dict(enumerate(traces)))
        known = self._measured_elsewhere(workload_id, [traces[place] for place in sorted(granted)])
        keys = {place: self._key(workload_id, traces[place]) for place in granted}
        done = {place for place in granted if traces[place] in known and keys[place] not in self._measured}
        self._measured |= {keys[place] for place in granted - done}
        self._release([keys[place] for place in done])
        return [place in granted and place not in done for place in range(len(traces))]

    def stored(self) -> None:
        """All that was leased so far is in the store, or was given up."""
        self.settled()()

    def settled(self) -> Callable[[], None]:
        """What gives back all that is leased now: for when that is in the store, while more may be leased already."""
        with self._lock:
            held = sorted(self._held)
        return lambda: self._release(held)

    def close(self) -> None:
        """Gives all leases back."""
        self._closed.set()
        self._thread.join()
        self.stored()

    def _key(self, workload_id: str, trace: str) -> str:
        return content_hash("lease", workload_id, self._target_id, self._hardware_id, self._conditions, trace)

    def _claimed(self, workload_id: str, traces: Mapping[int, str]) -> set[int]:
        keys = {number: self._key(workload_id, trace) for number, trace in traces.items()}
        with self._lock:
            try:
                granted = self._leases.claim(self._holder, keys.values(), self._secs)
            except StoreAwayError as error:  # at the worst, something is measured twice
                if not self._is_alone:
                    _LOG.warning("candidates are measured without leases: %s", error)
                self._is_alone = True
                return set(keys)
            self._is_alone = False
            self._held |= granted
        return {number for number, key in keys.items() if key in granted}

    def _release(self, keys: Sequence[str]) -> None:
        with self._lock:
            if keys:
                self._held -= set(keys)
                self._try(lambda: self._leases.release(self._holder, keys if self._held else None))

    def _learn(self, tuner: Tuner, workload_id: str, elsewhere: Elsewhere) -> None:
        """Tells a tuner what others measured, and forgets what nobody has in hand any more."""
        if not elsewhere.traces:
            return
        keys = {number: self._key(workload_id, trace) for number, trace in elsewhere.traces.items()}
        try:
            leased = self._leases.leased(list(keys.values()))  # first: what is given back is in the store by then
        except StoreAwayError:
            return
        found = self._measured_elsewhere(workload_id, list(elsewhere.traces.values()))
        results = []
        for number, trace in list(elsewhere.traces.items()):
            if trace in found:
                results.append(_result(number, found[trace]))
                del elsewhere.traces[number]
            elif keys[number] not in leased:
                del elsewhere.traces[number]
        if results:
            tuner.tell(results)

    def _measured_elsewhere(self, workload_id: str, traces: Sequence[str]) -> dict[str, Trial]:
        """Trials of traces that were measured since this run began."""
        if not traces or self._is_alone:
            return {}
        try:
            trials = self._store.trials_of_traces(workload_id, self._target_id, list(traces))
        except StoreAwayError:
            return {}
        return {
            trace_id(trial.trace): trial
            for trial in trials
            if trial.hardware_id == self._hardware_id
            and trial.conditions == self._conditions
            and trial.measured_at is not None
            and trial.measured_at >= self._since
        }

    def _renew(self) -> None:
        """What the thread does."""
        while not self._closed.wait(self._secs / 3):
            with self._lock:
                if self._held:
                    self._try(lambda: self._leases.renew(self._holder, self._secs))

    @staticmethod
    def _try(change: Callable[[], object]) -> None:
        try:
            change()
        except StoreError as error:  # they end by themselves
            _LOG.warning("leases of candidates: %s", error)


def _result(number: int, trial: Trial) -> Result:
    if trial.outcome is not Outcome.OK:
        return Result(number, None, trial.outcome)
    return Result(number, estimate([trial.run_secs]).secs)
