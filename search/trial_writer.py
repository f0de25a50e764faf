"""Appends a run's trials to its store, each within a second of its end, however long the next one takes.

Nobody is told of a trial before it is stored: what was shown of a run that is killed is there afterwards.

An append takes about 10 ms, which would disturb what is being measured on the same core. So trials are appended between
two measurements, a few at a time; only when the next measurement takes long, a thread of its own appends them. Where
the store is elsewhere, an append is mostly a wait: there the thread does it always, and measurements go on meanwhile.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

from tunedb.records import Hardware, Module, Source, Target, Trial, Workload
from tunedb.store.contract import Store

_SOON_SECS = 0.6  # the age of the oldest trial at which the next one takes all to the store
_LATEST_SECS = 0.9  # the age at which it goes there by itself


class TrialWriter:
    """Appends trials of one run.

    Threads may share one. What the thread could not append stays, and the next `add` or `flush` raises why.

    Args:
        store: The store that trials are appended to; None drops them.
        target: The target that they were measured for.
        hardware: The hardware that they were measured on.
        source: The run.
    """

    def __init__(self, store: Store | None, target: Target, hardware: Hardware, source: Source) -> None:
        self._store, self._target, self._hardware, self._source = store, target, hardware, source
        self._changed = threading.Condition()  # guards all below
        self._trials: list[Trial] = []
        self._told: list[Callable[[], None]] = []  # what waits for these trials to be stored
        self._attached: list[Trial] = []  # that go with the next trial, and not without one
        self._modules: dict[str, tuple[Workload, Module]] = {}
        self._oldest: float | None = None  # when the first of the waiting trials came
        self._problem: Exception | None = None
        self._is_closed = False
        self._appending = threading.Lock()  # held during an append, and taken before `_changed`
        self._thread: threading.Thread | None = None

    def add(self, trial: Trial, workload: Workload, module: Module, stored: Callable[[], None] | None = None) -> None:
        """Takes a finished trial; it is in the store within a second.

        Args:
            trial: The trial.
            workload: Its workload.
            module: The module that its trace schedules.
            stored: Called once the trial is in the store, after those of earlier trials and one at a time, by whichever
                thread brought it there; at once where there is no store.

        Raises:
            StoreError: The store cannot be written.
        """
        if self._store is None:
            if stored is not None:
                stored()
            return
        with self._changed:
            self._raise_problem()
            self._trials.append(trial)
            if stored is not None:
                self._told.append(stored)
            self._modules[module.module_id] = workload, module
            if self._oldest is None:
                self._oldest = time.monotonic()
            is_due = not self._store.is_remote and time.monotonic() - self._oldest >= _SOON_SECS
            if self._thread is None:
                self._thread = threading.Thread(target=self._append_late, name="tunedb-trial-writer", daemon=True)
                self._thread.start()
            self._changed.notify()
        if is_due:
            self.flush()

    def attach(self, trials: Sequence[Trial], modules: Sequence[tuple[Workload, Module]]) -> None:
        """Takes trials that mean nothing without the next ones: they are appended together with those.

        Args:
            trials: The trials.
            modules: Their workloads and modules.
        """
        if self._store is None:
            return
        with self._changed:
            self._attached += trials
            self._modules |= {module.module_id: (workload, module) for workload, module in modules}

    def flush(self) -> None:
        """Appends what is waiting.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._changed:
            self._raise_problem()
        self._append()

    def flush_soon(self, stored: Callable[[], None]) -> None:
        """Appends what is waiting: at once, or in a thread where the store is elsewhere.

        Args:
            stored: Called once all of it is in the store.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._changed:
            self._raise_problem()
            self._told.append(stored)
            is_left_to_thread = self._thread is not None and self._store is not None and self._store.is_remote
            if is_left_to_thread:
                self._oldest = -math.inf
                self._changed.notify()
        if not is_left_to_thread:
            self._append()

    def close(self) -> None:
        """Appends what is waiting and ends the thread; nothing may be added afterwards.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _append(self) -> None:
        with self._appending:
            with self._changed:
                trials, attached, modules, told = self._trials, self._attached, self._modules, self._told
                self._trials, self._told, self._oldest = [], [], None
                if trials:
                    self._attached, self._modules = [], {}
            try:
                if trials and self._store is not None:
                    self._store.append(
                        [*trials, *attached],
                        workloads=[workload for workload, _ in modules.values()],
                        modules=[module for _, module in modules.values()],
                        targets=[self._target],
                        hardware=[self._hardware],
                        sources=[self._source],
                    )
            except BaseException:
                with self._changed:  # they wait for another attempt, before those that came meanwhile
                    self._trials, self._attached = trials + self._trials, attached + self._attached
                    self._modules, self._told = modules | self._modules, told + self._told
                    self._oldest = time.monotonic()
                raise
            for tell in told:
                tell()

    def _append_late(self) -> None:
        """What the thread does."""
        while True:
            with self._changed:
                while not self._is_closed and (self._oldest is None or self._left() > 0):
                    self._changed.wait(None if self._oldest is None else self._left())
                if self._is_closed:
                    return
            try:
                self._append()
            except Exception as error:  # whatever it was, the run must hear of it
                with self._changed:
                    self._problem = error
                    self._oldest = None

    def _left(self) -> float:
        """Seconds until the waiting trials must be appended."""
        assert self._oldest is not None
        return self._oldest + _LATEST_SECS - time.monotonic()

    def _raise_problem(self) -> None:
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
