"""What a fleet's servers run on: one server of each key is asked, and all must be machines of one kind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from search.measure import cuda_driver
from search.measure.building import Building
from search.measure.cross.architecture import architecture_of
from search.measure.cross.building import Builders
from search.measure.device import Program
from search.measure.fleet import machine, sessions
from search.measure.fleet.calling import Calls
from search.measure.fleet.losses import ATTEMPTS
from search.measure.fleet.servers import Servers
from search.measure.fleet.sessions import Stage
from tunedb.errors import MeasurementError
from tunedb.machine.hardware import hardware_named
from tunedb.records import Hardware, Outcome, Target

_LOG = logging.getLogger(__name__)


class MachineLibrary:
    """The library that describes and prepares servers, built when it is first asked for. Threads may share it.

    Args:
        builders: What builds it.
        target: What the servers' programs are built for.
    """

    def __init__(self, builders: Builders, target: Target) -> None:
        self._builders, self._target = builders, target
        self._lock = threading.Lock()
        self._building: Building | None = None

    def path(self) -> str:
        """Where it is.

        Raises:
            MeasurementError: It cannot be built.
        """
        with self._lock:
            if self._building is None:
                program = Program(machine.machine_program(), ())
                building = self._builders.begin(program, is_candidate=False, for_host=_is_gpu(self._target))
                outcome, error = building.result()
                if outcome is not Outcome.OK:
                    raise MeasurementError(f"nothing can be built for {self._target.text}: {error}")
                self._building = building
            return self._building.library


def hardware_of(
    keys: Sequence[str], servers: Servers, calls: Calls, target: Target, closed: threading.Event
) -> Hardware:
    """The machine that all keys' servers are, by one of each key.

    Args:
        keys: Of the servers.
        servers: Those that there are.
        calls: Asks them.
        target: What their programs are built for.
        closed: When set, nothing is waited for.

    Raises:
        MeasurementError: The keys are of machines of several kinds, or of none that runs the target's code.
    """
    found: dict[str, Hardware] = {}
    listed = {server.key for server in servers.listed()}
    there = [key for key in keys if key in listed]
    missing = [key for key in keys if key not in listed]
    if there and missing:
        _LOG.warning("no server of key %s is at the tracker yet", ", ".join(missing))
    for key in there or keys[:1]:
        found[key] = _of_key(key, calls, target, closed)
    if len({one.hardware_id for one in found.values()}) > 1:
        told = ", ".join(f"{key} is {one.name}" for key, one in found.items())
        raise MeasurementError(f"a run measures on machines of one kind, and these are of several: {told}")
    return next(iter(found.values()))


def _of_key(key: str, calls: Calls, target: Target, closed: threading.Event) -> Hardware:
    asks = sessions.describe_gpu if _is_gpu(target) else sessions.read_files
    for _ in range(ATTEMPTS[Stage.SEND]):
        session = calls.in_session(lambda _: (asks, machine.PATHS, machine.MOST_BYTES), closed, key)
        if session is None:
            raise MeasurementError("the device is closed")
        server, (answer, *_) = session
        if answer.stage is Stage.DONE:
            if _is_gpu(target):
                told, files = answer.value
                beside = machine.hardware_of(files, "")  # TVM's runtime tells neither the driver nor the bandwidth
                name, capability, num_sms, l2_bytes, memory_bytes, driver = told
                return cuda_driver.hardware_of(
                    name, capability, num_sms, l2_bytes, memory_bytes, driver, host=beside.name
                )
            found = machine.hardware_of(answer.value, architecture_of(target))
            if machine.is_emulated(answer.value, architecture_of(target)):
                _LOG.warning("%s at %s: its times say nothing of any machine", found.name, server)
            return found if found.name != "unknown" else hardware_named(key)
        if not answer.is_lost:
            break
    raise MeasurementError(f"the server at {server} cannot run code for {target.text}: {answer.error}")


def _is_gpu(target: Target) -> bool:
    return target.kind == "cuda"
