"""The CUDA devices of this machine behind the contract of a device: its CPU builds, and each GPU runs what is next.

Nothing here was ever run on a GPU. All but the kernels is tested all the same: processes that crash, hang or are killed
are real, and stand on this machine's CPU in place of GPUs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from typing_extensions import override

from search.measure.cross.architecture import linker_for
from search.measure.cross.batch import Batch, OfParts
from search.measure.cuda import clocks
from search.measure.cuda.gpus import Gpu, gpus_for
from search.measure.cuda.process import Job
from search.measure.cuda.runner import Runner
from search.measure.device import Comparison, Measurement, Timing
from search.measure.host_built import Built
from tunedb.errors import MeasurementError
from tunedb.identity import conditions_of
from tunedb.metaschedule import intrinsics
from tunedb.records import Hardware, Outcome, Target

_LOG = logging.getLogger(__name__)

_FLUSH_BYTES = 1 << 27  # where the size of the L2 cache is not known
_KEPT_SECS = 20.0  # that the reference kernels, and what ran before, may take at least: they are no candidates


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """How CUDA devices build and run."""

    build_workers: int | None = None  # None: one for each core that this process may use
    build_timeout_secs: float | None = None  # None: 30, less once builds are known
    run_timeout_secs: float = 20.0  # a longer measurement is a RUN_TIMEOUT
    timing: Timing = field(default_factory=Timing)


class CudaDevices(OfParts):
    """Builds on this machine's CPU, and runs on its GPUs, each with a process and a watchdog of its own.

    Args:
        target: What to build for.
        options: How.
        gpus: The devices, of one kind; None for all of this machine that run code for the target.

    Raises:
        MeasurementError: This machine has no device for the target.
    """

    def __init__(self, target: Target, options: CudaOptions | None = None, gpus: Sequence[Gpu] | None = None) -> None:
        self._options = options or CudaOptions()
        found = tuple(gpus) if gpus is not None else gpus_for(target)
        self._hardware = found[0].hardware
        self._settings = clocks.settings(found[0].uuid)
        others = [one.uuid for one in found[1:] if clocks.settings(one.uuid) != self._settings]
        if others:
            _LOG.warning("power limit or clocks of %s differ from those of %s", ", ".join(others), found[0].uuid)
        super().__init__(target, linker_for(target), self._options.build_workers, self._options.build_timeout_secs)
        self._runners = [Runner(gpu, target) for gpu in found]
        self._lock = threading.Lock()  # guards the list of runners

    @property
    @override
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    @override
    def num_parallel(self) -> int:
        with self._lock:
            return max(1, len(self._runners))

    @override
    def conditions(self, timing: Timing) -> str:
        return conditions_of(caches="flushed" if timing.flush_cache else None, **self._settings)

    @override
    def check(self) -> None:
        self._expect_open()
        intrinsics.register_for(self._target.kind, self._target.keys)
        for runner in self._working():
            if problem := runner.problem():
                self._retire(runner, problem)
        self._expect_runners()

    @override
    def close(self) -> None:
        super().close()
        for runner in self._working():
            runner.close()

    @property
    @override
    def _timing(self) -> Timing:
        return self._options.timing

    @property
    @override
    def _thread_name(self) -> str:
        return "tunedb-gpu"

    @override
    def _workers(self, batch: Batch) -> Sequence[Callable[[], None]]:
        self._expect_runners()
        return [partial(self._work, runner, batch) for runner in self._working()[: len(batch)]]

    @override
    def _compared(self, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int) -> Comparison:
        while True:
            self._expect_runners()
            runner, limit = self._working()[0], self._options.run_timeout_secs
            outcome, error, found = runner.compare(libraries, args_info, seed, limit)
            if outcome is Outcome.OK:
                return Comparison(*found)
            problem = runner.problem()
            if not problem:
                raise MeasurementError(error)
            self._retire(runner, problem)

    def _expect_runners(self) -> None:
        if not self._working():
            raise MeasurementError(f"none of the GPUs ({self._hardware.name}) works any longer; the log says why")

    def _working(self) -> list[Runner]:
        with self._lock:
            return list(self._runners)

    def _retire(self, runner: Runner, problem: str) -> None:
        with self._lock:
            if runner not in self._runners:
                return
            self._runners.remove(runner)
        gpu = runner.gpu
        _LOG.warning("GPU %d (%s %s) is not used any longer: %s", gpu.place, gpu.hardware.name, gpu.uuid, problem)
        runner.close()

    def _work(self, runner: Runner, batch: Batch) -> None:
        """Runs programs of a batch on one GPU, until none is left or the GPU does not work any longer."""
        while (built := batch.next()) is not None:
            if self._is_built(built, batch) and not self._measured(runner, built, batch):
                return

    def _measured(self, runner: Runner, built: Built, batch: Batch) -> bool:
        """Runs a program and gives its measurement; False where the GPU is lost, which another one makes up for."""
        limit = self._options.run_timeout_secs
        if built.is_kept:
            limit = max(limit, _KEPT_SECS)
        outcome, error, run_secs = runner.measure(self._job(built, batch), limit)
        problem = "" if outcome is Outcome.OK or batch.stopped.is_set() else runner.problem()
        if not problem:
            batch.put(Measurement(built.number, run_secs, outcome, error))
            return True
        self._retire(runner, problem)
        built.num_lost += 1
        others = self._working()
        if others and built.num_lost < 2:
            _LOG.warning("GPU %d was lost in mid-trial, which another one runs: %s", runner.gpu.place, error)
            batch.put_back(built)
            self._work(others[0], batch)  # its own thread may have ended by now
        elif others:
            told = f"{built.num_lost} GPUs stopped working while they ran it: {error}"
            batch.put(Measurement(built.number, (), Outcome.RUN_ERROR, told))
            self._work(others[0], batch)
        else:
            batch.put(MeasurementError(f"the last GPU ({self._hardware.name}) does not work any longer: {problem}"))
        return False

    def _job(self, built: Built, batch: Batch) -> Job:
        timing = batch.timing
        flushed = 2 * self._hardware.l2_bytes if self._hardware.l2_bytes else _FLUSH_BYTES
        return Job(
            built.library,
            built.program.args_info,
            timing.repeat,
            timing.min_repeat_ms,
            batch.enough_secs(),
            flushed if timing.flush_cache else 0,
        )
