"""A device as MetaSchedule's builder and runner.

MetaSchedule passes a path from the builder to the runner. Here it is a folder that is empty and named like the number
that the device gave the program; no other file knows of it.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.builder import BuilderInput, BuilderResult, PyBuilder
from tvm.s_tir.meta_schedule.runner import PyRunner, PyRunnerFuture, RunnerInput, RunnerResult

from search.measure.device import Device, Measurement, Timing
from search.measure.drift import Drift
from search.measure.programs import program_of
from search.recorder import Recorder
from tunedb.errors import MeasurementError, UnreachableError
from tunedb.records import Outcome

_log = logging.getLogger(__name__)

INTERRUPTED = "interrupted before it was run"
"""Error message of a candidate that was never run; it is no trial."""


@derived_object
class DeviceBuilder(PyBuilder):
    """Builds on a device, for a `DeviceRunner` of the same device.

    Args:
        device: The device; the caller closes it.
        recorder: Is given what fails; None records nothing.
    """

    def __init__(self, device: Device, recorder: Recorder | None = None) -> None:
        super().__init__()
        self.device, self.recorder = device, recorder
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-numbers-", ignore_cleanup_errors=True)

    def build(self, build_inputs: Sequence[BuilderInput]) -> list[BuilderResult]:
        """Hands all inputs to the device, which may build them later."""
        builds = self.device.build([program_of(item.mod) for item in build_inputs])
        if self.recorder is not None:
            self.recorder.numbered([build.number for build in builds])
        results = []
        for build in builds:
            if build.outcome is Outcome.OK:
                results.append(BuilderResult(self._path(build.number), None))
                continue
            results.append(BuilderResult(None, build.error or build.outcome.value))
            self.device.release([build.number])
            if self.recorder is not None:
                self.recorder.measured(Measurement(build.number, (), build.outcome, build.error))
        return results

    def _path(self, number: int) -> str:
        folder = Path(self._folder.name) / str(number)
        folder.mkdir()  # MetaSchedule's callback removes it
        return str(folder / "program")


@derived_object
class _Done(PyRunnerFuture):
    def __init__(self, run_secs: tuple[float, ...] | None, error: str | None) -> None:
        super().__init__()
        self.run_secs, self.error = run_secs, error

    def done(self) -> bool:
        return True

    def result(self) -> RunnerResult:
        return RunnerResult(None if self.run_secs is None else list(self.run_secs), self.error)


@derived_object
class DeviceRunner(PyRunner):
    """Runs on a device what a `DeviceBuilder` of it was given.

    Args:
        device: The device; the caller closes it.
        recorder: Is given each measurement as it is made; None records nothing.
        drift: Is measured before each batch; None is not.
        stop: When set, candidates not yet run are given back unmeasured.
        timing: How candidates are timed; None is the device's own way.
    """

    def __init__(
        self,
        device: Device,
        recorder: Recorder | None = None,
        drift: Drift | None = None,
        stop: threading.Event | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__()
        self.device, self.recorder, self.drift, self.stop, self.timing = device, recorder, drift, stop, timing
        self.problem: MeasurementError | None = None
        """What ended the device; MetaSchedule passes it on as another error."""

    def run(self, runner_inputs: Sequence[RunnerInput]) -> list[Any]:
        """Runs all inputs.

        Raises:
            MeasurementError: The device cannot go on.
        """
        try:
            return self._run(runner_inputs)
        except MeasurementError as error:
            self.problem = error
            raise

    def _run(self, runner_inputs: Sequence[RunnerInput]) -> list[Any]:
        self._measure_drift()
        numbers = [int(Path(str(item.artifact_path)).parent.name) for item in runner_inputs]
        found: dict[int, Measurement] = {}
        if not self._is_stopped():
            for measured in self.device.run(numbers, timing=self.timing, enough_secs=self._enough_secs):
                found[measured.number] = measured
                if self.recorder is not None:
                    self.recorder.measured(measured)
                if self._is_stopped():
                    break
        self.device.release(numbers)
        return [_future(found.get(number)) for number in numbers]

    def _is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    def _enough_secs(self) -> float:
        if self.recorder is None:
            return float("inf")
        return self.recorder.enough_secs(1.0 if self.drift is None else self.drift.now)

    def _measure_drift(self) -> None:
        if self.drift is None:
            return
        try:
            trials = self.drift.measure()
        except UnreachableError:
            raise
        except MeasurementError as error:  # the batch will tell
            _log.info("%s", error)
            return
        if self.recorder is not None:
            self.recorder.attach(trials, self.drift.modules)


def _future(measured: Measurement | None) -> Any:
    if measured is None:
        return _Done(None, INTERRUPTED)
    if measured.outcome is not Outcome.OK:
        return _Done(None, measured.error or measured.outcome.value)
    return _Done(measured.run_secs, None)
