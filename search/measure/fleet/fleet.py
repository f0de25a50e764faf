"""Machines behind TVM's RPC tracker as one device: this machine builds, and whichever server is free runs.

A session is opened for each program, with a limit of its own, or for a few of which each still has that limit. Waiting
for a server is no part of it. Where a server is lost in the middle, the program is run by another; only one that ends
session after session, or whose server lives on without it, has crashed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from typing_extensions import override

from search.measure.cross.architecture import linker_for
from search.measure.cross.batch import Batch, OfParts
from search.measure.device import Comparison, Measurement, Timing
from search.measure.fleet import sessions
from search.measure.fleet.calling import MOST_PARALLEL, Calls
from search.measure.fleet.describing import MachineLibrary, hardware_of
from search.measure.fleet.losses import Losses
from search.measure.fleet.servers import Servers
from search.measure.fleet.sessions import Answer, Job
from search.measure.fleet.speeds import Speeds
from search.measure.fleet.tracker import Address, Tracker
from search.measure.host_built import Built
from tunedb.errors import MeasurementError, UnreachableError, UsageError
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Outcome, Target

_LOG = logging.getLogger(__name__)

_MOST_TOGETHER = 4  # programs of a session
_REFERENCE = Timing(repeat=3, min_repeat_ms=5)


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Which machines run, and how."""

    tracker: Address
    keys: tuple[str, ...]
    wait_secs: float = 60.0  # how long there may be no server before the device gives up
    build_workers: int | None = None  # None: one for each core that this process may use
    build_timeout_secs: float | None = None  # None: 30, less once builds are known
    run_timeout_secs: float = 20.0  # a longer run is a RUN_TIMEOUT
    linker: str | None = None  # the (cross) compiler that links; None: the usual one of the target's architecture
    timing: Timing = field(default_factory=Timing)


class Fleet(OfParts):
    """Builds here, and runs on the servers of a tracker. All of them are machines of one kind.

    Args:
        target: What to build for; a target with n cores is run with so many threads.
        options: Which machines, and how.
    """

    def __init__(self, target: Target, options: FleetOptions) -> None:
        if not options.keys:
            raise UsageError("a tracker gives servers by their key: give one (--rpc-key)")
        super().__init__(target, linker_for(target, options.linker), options.build_workers, options.build_timeout_secs)
        self._options = options
        self._servers = Servers(Tracker(options.tracker), options.keys, options.wait_secs)
        machine_library = MachineLibrary(self._builders, target)
        self._calls = Calls(self._servers, target, options.run_timeout_secs, machine_library.path)
        self._hardware: Hardware | None = None
        self._reference: int | None = None  # a program by which servers are compared
        self._speeds = Speeds()
        self._closed = threading.Event()
        if not options.tracker.is_loopback:
            _LOG.warning(
                "the tracker at %s and its servers ask nobody who they are: whoever reaches them runs what they like "
                "there. Keep them on a private network, or on loopback behind a tunnel (docs/fleet.md)",
                options.tracker,
            )

    @property
    @override
    def hardware(self) -> Hardware:
        """What the servers run on; asks one of each key the first time.

        Raises:
            MeasurementError: None can be asked, or the keys are of machines of different kinds.
        """
        if self._hardware is None:
            keys = self._options.keys
            self._hardware = hardware_of(keys, self._servers, self._calls, self._target, self._closed)
        return self._hardware

    @property
    @override
    def num_parallel(self) -> int:
        try:
            return max(1, min(len(self._servers.listed()), MOST_PARALLEL))
        except UnreachableError:  # who runs something next will be told
            return 1

    @override
    def check(self) -> None:
        intrinsics.register_for(self._target.kind, self._target.keys)
        assert self.hardware

    @override
    def calibrate(self, number: int) -> None:
        """Takes a program by which servers are compared: it runs again on each of them now and then."""
        self._reference = self._find(number).number

    @override
    def close(self) -> None:
        self._closed.set()
        super().close()
        self._calls.close()

    @property
    @override
    def _timing(self) -> Timing:
        return self._options.timing

    @property
    @override
    def _thread_name(self) -> str:
        return "tunedb-fleet"

    @override
    def _workers(self, batch: Batch) -> Sequence[Callable[[], None]]:
        number = min(len(batch), self.num_parallel)
        return [partial(self._work, batch, number)] * number

    @override
    def _compared(self, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int) -> Comparison:
        losses = self._losses()
        while True:
            found = self._calls.in_session(lambda _: (sessions.compare, libraries, args_info, seed), self._closed)
            if found is None:
                raise MeasurementError("the device is closed")
            server, (answer, *_) = found
            outcome, error = losses.outcome(answer, server)
            if outcome is Outcome.OK:
                return Comparison(*answer.value)
            if outcome is not None:
                raise MeasurementError(error)

    def _losses(self) -> Losses:
        return Losses(self._servers, self._options.run_timeout_secs)

    def _work(self, batch: Batch, num_workers: int) -> None:
        """Runs programs of a batch on whichever server is free, until none is left."""
        while together := batch.next_together(_MOST_TOGETHER, num_workers):
            left = deque(built for built in together if self._is_built(built, batch))
            losses = self._losses()  # by the program that is first
            while left and not batch.stopped.is_set():
                enough = batch.enough_secs()
                found = self._measured([_job(built, batch.timing, enough) for built in left], batch.stopped)
                if found is None:
                    return
                server, answers = found
                for answer in answers:
                    outcome, error = losses.outcome(answer, server)
                    if outcome is None:  # it is run again
                        break
                    drift = self._speeds.drift(server)
                    batch.put(Measurement(left.popleft().number, answer.run_secs, outcome, error, drift))
                    losses = self._losses()

    def _measured(self, jobs: Sequence[Job], stop: threading.Event) -> tuple[Address, list[Answer]] | None:
        """Runs programs in one session, behind the reference program where that is due."""
        leading: list[Job] = []

        def plan(server: Address) -> tuple[Any, ...]:
            leading[:] = self._reference_job(server)
            return sessions.measure, [*leading, *jobs]

        found = self._calls.in_session(plan, stop)
        if found is None or not leading:
            return found
        server, (first, *answers) = found
        if first.is_lost:
            return server, [first]
        if first.run_secs:
            self._speeds.ran(server, min(first.run_secs))
        return server, answers

    def _reference_job(self, server: Address) -> list[Job]:
        built = None if self._reference is None else self._known.get(self._reference)
        if built is None or not self._speeds.is_due(server):
            return []
        return [_job(built, _REFERENCE, float("inf"))]


def _job(built: Built, timing: Timing, enough_secs: float) -> Job:
    return Job(
        built.library, built.program.args_info, timing.repeat, timing.min_repeat_ms, enough_secs, timing.flush_cache
    )
