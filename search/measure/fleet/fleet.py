"""Machines behind TVM's RPC tracker as one device: this machine builds, and whichever server is free runs.

A session is opened for each program, with a limit of its own, or for a few of which each still has that limit. Waiting
for a server is no part of it. Where a server is lost in the middle, the program is run by another; only one that ends
session after session, or whose server lives on without it, has crashed.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from search.measure import cuda_driver, workers
from search.measure.cross.architecture import architecture_of, linker_for
from search.measure.cross.building import Builders, Building
from search.measure.device import Build, Comparison, Device, Measurement, NoReferenceError, Program, Timing
from search.measure.fleet import machine, sessions
from search.measure.fleet.servers import Servers
from search.measure.fleet.sessions import Answer, Job, Place, Stage
from search.measure.fleet.speeds import Speeds
from search.measure.fleet.tracker import Address, Grant, Tracker
from search.measure.zygote import ForkedPool
from tunedb.errors import MeasurementError, UnreachableError, UsageError, last_line
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Outcome, Target

_LOG = logging.getLogger(__name__)

_SEND_SECS = 10.0  # that connecting, sending and loading may take
_SILENT_SECS = 10.0  # after the end of a session, when nothing more is expected of a server
_ATTEMPTS = {Stage.SEND: 3, Stage.RUN: 2}  # at a program whose session is lost: TVM's servers die of one that crashes
_MOST_PARALLEL = 256
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


@dataclass(slots=True, eq=False)
class _Built:
    """A program that was handed over."""

    number: int
    program: Program
    is_kept: bool
    building: Building
    build: Build | None = None  # once it is built


class Fleet(Device):
    """Builds here, and runs on the servers of a tracker. All of them are machines of one kind.

    Args:
        target: What to build for; a target with n cores is run with so many threads.
        options: Which machines, and how.
    """

    def __init__(self, target: Target, options: FleetOptions) -> None:
        if not options.keys:
            raise UsageError("a tracker gives servers by their key: give one (--rpc-key)")
        self._target, self._options = target, options
        self._servers = Servers(Tracker(options.tracker), options.keys, options.wait_secs)
        self._builders = Builders(
            target,
            options.build_workers or len(os.sched_getaffinity(0)),
            options.build_timeout_secs,
            linker_for(target, options.linker),
        )
        self._sessions = ForkedPool(max_workers=_MOST_PARALLEL, timeout=None)
        self._known: dict[int, _Built] = {}
        self._num_programs = 0
        self._lock = threading.Lock()  # guards all below
        self._hardware: Hardware | None = None
        self._machine: Building | None = None  # of the library that describes and prepares servers
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
    def target(self) -> Target:
        return self._target

    @property
    @override
    def hardware(self) -> Hardware:
        """What the servers run on; asks one of each key the first time.

        Raises:
            MeasurementError: None can be asked, or the keys are of machines of different kinds.
        """
        if self._hardware is None:
            self._hardware = self._described()
        return self._hardware

    @property
    @override
    def num_parallel(self) -> int:
        try:
            return max(1, min(len(self._servers.listed()), _MOST_PARALLEL))
        except UnreachableError:  # who runs something next will be told
            return 1

    @override
    def check(self) -> None:
        intrinsics.register_for(self._target.kind, self._target.keys)
        assert self.hardware

    @override
    def build(self, programs: Sequence[Program], *, keep: bool = False) -> list[Build]:
        self._expect_open()
        taken = [self._take(program, keep) for program in programs]
        return [self._finish(built) if keep else Build(built.number) for built in taken]

    @override
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        self._expect_open()
        waiting = deque(self._find(number) for number in numbers)
        found: queue.SimpleQueue[Measurement | BaseException] = queue.SimpleQueue()
        stop, lock = threading.Event(), threading.Lock()
        num_slots = min(len(waiting), self.num_parallel)

        def next_together() -> list[_Built]:
            """Programs for a session: never so many that another server would have nothing to do."""
            with lock:
                most = max(1, min(_MOST_TOGETHER, len(waiting) // num_slots))
                together = [waiting.popleft()] if waiting else []
                while waiting and len(together) < most and waiting[0].building.is_done:
                    together.append(waiting.popleft())
            return together

        def work() -> None:
            try:
                while not stop.is_set() and (together := next_together()):
                    self._run_together(together, (timing or self._options.timing).plain(), enough_secs, stop, found.put)
            except BaseException as error:  # who iterates raises it
                found.put(error)

        slots = [threading.Thread(target=work, name=f"tunedb-fleet-{n}", daemon=True) for n in range(num_slots)]
        for slot in slots:
            slot.start()
        try:
            for _ in numbers:
                one = found.get()
                if isinstance(one, BaseException):
                    raise one
                built = self._known.get(one.number)
                if built is not None and not built.is_kept:
                    self.release([one.number])
                yield one
        finally:
            stop.set()
            for slot in slots:
                slot.join()

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        self._expect_open()
        both = [self._take(one, keep=True) for one in (program, untuned)]
        try:
            tuned, right = (self._finish(built) for built in both)
            if tuned.outcome is not Outcome.OK:
                raise MeasurementError(tuned.error)
            if right.outcome is not Outcome.OK:
                raise NoReferenceError(right.error)
            libraries = both[0].building.library, both[1].building.library
            lost: list[Address] = []
            while True:
                found = self._in_session(lambda _: (sessions.compare, libraries, program.args_info, seed), self._closed)
                if found is None:
                    raise MeasurementError("the device is closed")
                server, (answer, *_) = found
                outcome, error = self._outcome(answer, server, lost)
                if outcome is Outcome.OK:
                    return Comparison(*answer.value)
                if outcome is not None:
                    raise MeasurementError(error)
        finally:
            self.release([built.number for built in both])

    @override
    def release(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            built = self._known.pop(number, None)
            if built is not None:
                built.building.release()

    @override
    def calibrate(self, number: int) -> None:
        """Takes a program by which servers are compared: it runs again on each of them now and then."""
        with self._lock:
            self._reference = self._find(number).number

    @override
    def close(self) -> None:
        self._closed.set()
        for built in self._known.values():
            built.building.release()
        self._known.clear()
        self._builders.close()
        self._sessions.shutdown(wait=False)

    def _expect_open(self) -> None:
        if self._closed.is_set():
            raise MeasurementError("the device is closed")

    def _take(self, program: Program, keep: bool) -> _Built:
        building = self._builders.begin(program, is_candidate=not keep)
        built = _Built(self._num_programs, program, keep, building)
        self._num_programs += 1
        self._known[built.number] = built
        return built

    def _find(self, number: int) -> _Built:
        if number not in self._known:
            raise UsageError(f"there is no program {number}: it was never built, was released, or has run")
        return self._known[number]

    def _finish(self, built: _Built) -> Build:
        """Waits for a build."""
        if built.build is None:
            built.build = Build(built.number, *built.building.result())
        return built.build

    def _run_together(
        self,
        together: Sequence[_Built],
        timing: Timing,
        enough_secs: Callable[[], float] | None,
        stop: threading.Event,
        put: Callable[[Measurement], None],
    ) -> None:
        """Runs programs in as few sessions as it takes, and gives a measurement of each."""
        left: deque[_Built] = deque()
        for built in together:
            build = self._finish(built)
            if build.outcome is Outcome.OK:
                left.append(built)
            else:
                put(Measurement(built.number, (), build.outcome, build.error))
        lost: list[Address] = []  # by the program that is first
        while left and not stop.is_set():
            enough = float("inf") if enough_secs is None else enough_secs()
            found = self._measured([_job(built, timing, enough) for built in left], stop)
            if found is None:
                return
            server, answers = found
            for answer in answers:
                outcome, error = self._outcome(answer, server, lost)
                if outcome is None:  # it is run again
                    break
                drift = self._speeds.drift(server)
                put(Measurement(left.popleft().number, answer.run_secs, outcome, error, drift))
                lost.clear()

    def _measured(self, jobs: Sequence[Job], stop: threading.Event) -> tuple[Address, list[Answer]] | None:
        """Runs programs in one session, behind the reference program where that is due."""
        leading: list[Job] = []

        def plan(server: Address) -> tuple[Any, ...]:
            leading[:] = self._reference_job(server)
            return sessions.measure, [*leading, *jobs]

        found = self._in_session(plan, stop)
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

    def _outcome(self, answer: Answer, server: Address, lost: list[Address]) -> tuple[Outcome | None, str]:
        """What an answer says of its program, and why; None where the program is to be run again, elsewhere."""
        if answer.stage is Stage.DONE:
            return Outcome.OK, ""
        if not answer.is_lost:
            return Outcome.RUN_ERROR, answer.error
        limit = self._options.run_timeout_secs
        if answer.stage is Stage.RUN and answer.secs >= limit:
            return Outcome.RUN_TIMEOUT, f"run took longer than {limit:g} s (--run-timeout gives it more)"
        if answer.stage is Stage.RUN and self._servers.is_alive(server):
            return Outcome.RUN_ERROR, f"its process crashed on the server at {server}: {answer.error}"
        lost.append(server)
        if len(lost) < _ATTEMPTS[answer.stage]:
            _LOG.warning(
                "the server at %s was lost while %s a program, which another server runs: %s",
                server,
                answer.stage.value,
                answer.error,
            )
            return None, ""
        told = ", ".join(map(str, lost))
        return (
            Outcome.RUN_ERROR,
            f"{len(lost)} servers were lost while {answer.stage.value} it ({told}): {answer.error}",
        )

    def _in_session(
        self, plan: Callable[[Address], tuple[Any, ...]], stop: threading.Event, key: str | None = None
    ) -> tuple[Address, list[Answer]] | None:
        """Calls a function of `search.measure.fleet.sessions` in a session with a server, as soon as one is free.

        Args:
            plan: What is called with a server: the function, and its arguments after the place.
            stop: When set, nothing is waited for.
            key: Only with a server of this key.

        Returns:
            The server, and what came of it; None when `stop` was set.

        Raises:
            UnreachableError: There is no server, or none can be reached.
        """
        while True:
            taken = self._servers.take(stop, key)
            if taken is None:
                return None
            its_key, grant = taken
            try:
                answers = self._called(grant, *plan(grant.address))
            finally:
                self._servers.give_back(its_key)
            if answers[0].stage is not Stage.CONNECT:
                self._servers.reached()
                return grant.address, answers
            self._servers.refused(grant.address, answers[0].error)

    def _called(self, grant: Grant, function: Any, *args: Any) -> list[Answer]:
        place = Place(
            grant.address.host,
            grant.address.port,
            grant.match_key,
            _SEND_SECS,
            self._options.run_timeout_secs,
            self._target.num_cores or 1,
            workers.device_type(self._target.kind),
            self._machine_library,
        )
        limit = place.limit_secs + _SILENT_SECS
        try:
            return list(self._sessions.submit_before(limit, function, place, *args).result())
        except TimeoutError:
            return [Answer(Stage.SEND, (), f"it has said nothing for {limit:g} s", True, limit)]
        except Exception as error:  # the child crashed
            return [Answer(Stage.SEND, (), last_line(error), True)]

    @property
    def _machine_library(self) -> str:
        """The library that describes and prepares servers, which is built first.

        Raises:
            MeasurementError: It cannot be built.
        """
        with self._lock:
            if self._machine is None:
                building = self._builders.begin(
                    Program(machine.machine_program(), ()), is_candidate=False, for_host=self._is_gpu
                )
                outcome, error = building.result()
                if outcome is not Outcome.OK:
                    raise MeasurementError(f"nothing can be built for {self._target.text}: {error}")
                self._machine = building
            return self._machine.library

    def _described(self) -> Hardware:
        """The machine that all keys' servers are, by one of each key.

        Raises:
            MeasurementError: The keys are of machines of several kinds, or of none that runs the target's code.
        """
        found: dict[str, Hardware] = {}
        there = {server.key for server in self._servers.listed()}
        keys = [key for key in self._options.keys if key in there]
        missing = [key for key in self._options.keys if key not in there]
        if keys and missing:
            _LOG.warning("no server of key %s is at the tracker yet", ", ".join(missing))
        for key in keys or self._options.keys[:1]:
            found[key] = self._hardware_of(key)
        if len({one.hardware_id for one in found.values()}) > 1:
            told = ", ".join(f"{key} is {one.name}" for key, one in found.items())
            raise MeasurementError(f"a run measures on machines of one kind, and these are of several: {told}")
        return next(iter(found.values()))

    @property
    def _is_gpu(self) -> bool:
        return self._target.kind == "cuda"

    def _hardware_of(self, key: str) -> Hardware:
        described: tuple[Any, ...] = (sessions.read_files, machine.PATHS, machine.MOST_BYTES)
        if self._is_gpu:
            described = (sessions.describe_gpu,)
        for _ in range(_ATTEMPTS[Stage.SEND]):
            session = self._in_session(lambda _: described, self._closed, key)
            if session is None:
                raise MeasurementError("the device is closed")
            server, (answer, *_) = session
            if answer.stage is Stage.DONE:
                if self._is_gpu:
                    return cuda_driver.hardware_of(*answer.value)
                found = machine.hardware_of(answer.value, architecture_of(self._target))
                return found if found.name != "unknown" else hardware_named(key)
            if not answer.is_lost:
                break
        raise MeasurementError(f"the server at {server} cannot run code for {self._target.text}: {answer.error}")


def _job(built: _Built, timing: Timing, enough_secs: float) -> Job:
    return Job(
        built.building.library,
        built.program.args_info,
        timing.repeat,
        timing.min_repeat_ms,
        enough_secs,
        timing.flush_cache,
    )
