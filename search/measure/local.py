"""A builder and a runner whose worker processes live as long as the tuning run.

Stock's `LocalBuilder` restarts its workers for each batch, and each of them imports every tensor intrinsic: 10 to 18
CPU seconds a worker and batch. These import what the target needs, once. Each result is reported to an observer the
moment it is there, so that progress is live and an interrupted batch loses only the trial it was in.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tvm.ir import save_json
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.builder import BuilderInput, BuilderResult, PyBuilder
from tvm.s_tir.meta_schedule.runner import PyRunner, PyRunnerFuture, RunnerInput, RunnerResult
from tvm.support.tar import tar

from search.measure import workers
from search.measure.observer import INTERRUPTED, MeasureObserver
from search.measure.zygote import ForkedPool
from tunedb.records import Outcome, Target

_USES_BEFORE_RESTART = 200  # workers leak some memory with each module
_TYPICAL_BUILDS = 8  # of which the usual time is taken
_LONG_BUILD = 25.0  # times the usual: what takes so long is unrolled without end, and no faster than others
_SHORTEST_LIMIT_SECS = 4.0
# What LLVM calls the C library for, number by number. Code that was linked gets there by one jump more than code that
# was compiled just in time, which ran softmax a tenth faster than a user would.
_LIBRARY_CALL = re.compile(
    r'"tirx?\.(exp|exp2|exp10|log|log2|log10|log1p|pow|sigmoid|erf|hypot|fmod|round|ldexp|nextafter|atan2|a?(sin|cos|tan)h?)"'
)


def _pool(target: Target, max_workers: int, timeout_secs: float, cores: tuple[int, ...]) -> ForkedPool:
    return ForkedPool(
        max_workers=max_workers,
        timeout=timeout_secs,
        initializer=workers.start_worker,
        initargs=(target.kind, target.keys, target.num_cores or 1, cores),
        maximum_process_uses=_USES_BEFORE_RESTART,
    )


def cause(error: BaseException) -> str:
    """The last line of a worker's traceback: what went wrong, without the way there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else type(error).__name__


@derived_object
class PersistentBuilder(PyBuilder):
    """Builds candidates in persistent worker processes.

    Args:
        target: what to build for.
        max_workers: how many builds at once.
        timeout_secs: longest build; a longer one is a `COMPILE_TIMEOUT`. Once it is known what builds take, many times
            that is the limit.
        observer: hears of each result.
        cores: that workers are bound to; none for any.
    """

    def __init__(
        self,
        target: Target,
        *,
        max_workers: int,
        timeout_secs: float = 15.0,
        observer: MeasureObserver | None = None,
        cores: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.is_pipelined = False
        """Whether `build` returns at once and `finish` waits: the runner measures while the next ones are built."""
        self.is_in_turn = False
        """Whether `build` only takes note and `finish` builds: the first one is measured before the next is built."""
        self.compiles_in: ForkedPool | None = None
        """The pool of one process that runs what is built in turn: it is compiled there, just in time, and no archive
        is written, unless it calls a library. None: it is built as all else is."""
        self.pool = _pool(target, max_workers, timeout_secs, cores)
        self.timeout_secs = timeout_secs
        self.observer = observer
        self.pool.submit(workers.ready)  # starts a process now, so that others need not wait for it later
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-build-", ignore_cleanup_errors=True)
        self._build_secs: list[float] = []
        self._building: dict[str, tuple[int, BuilderInput, Future[float] | None]] = {}

    def build_one(self, mod: Any, target: Any) -> str:
        """Builds one module and returns the path of its archive, which lives as long as the builder.

        Raises:
            Exception: whatever the worker raised.
        """
        path = self._new_path()
        self._begin(mod, target, path).result()
        return path

    def build(self, build_inputs: list[BuilderInput]) -> list[BuilderResult]:
        """Builds all inputs, in order; only begins to when it is pipelined, and takes note of them when in turn."""
        paths = [self._new_path() for _ in build_inputs]
        for index, (path, item) in enumerate(zip(paths, build_inputs, strict=True)):
            begun = None if self.is_in_turn else self._begin(item.mod, item.target, path)
            self._building[path] = index, item, begun
        if self.is_pipelined or self.is_in_turn:
            return [BuilderResult(path, None) for path in paths]
        errors = [self.finish(path) for path in paths]
        return [
            BuilderResult(None if error else path, error or None) for path, error in zip(paths, errors, strict=True)
        ]

    def finish(self, path: str) -> str:
        """Waits for an archive that `build` promised; returns why it is not there, empty when it is."""
        if path not in self._building:
            return ""
        index, item, building = self._building.pop(path)
        outcome, error = Outcome.OK, ""
        try:
            self._took((building or self._begin(item.mod, item.target, path, in_turn=True)).result())
        except TimeoutError:
            outcome, error = Outcome.COMPILE_TIMEOUT, f"build took longer than {self.pool.timeout_secs:g} s"
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            outcome, error = Outcome.COMPILE_ERROR, cause(problem)
        if self.observer is not None:
            self.observer.built(index, None if error else path, outcome, error)
        return error

    def close(self) -> None:
        """Ends the workers and removes what they built."""
        for _, _, building in self._building.values():
            if building is not None:
                building.cancel()
        self.pool.shutdown(wait=False)
        self._folder.cleanup()

    def _took(self, secs: float) -> None:
        self._build_secs.append(secs)
        if len(self._build_secs) >= _TYPICAL_BUILDS:
            many_times = _LONG_BUILD * statistics.median(self._build_secs)
            self.pool.timeout_secs = min(self.timeout_secs, round(max(many_times, _SHORTEST_LIMIT_SECS), 1))

    def _new_path(self) -> str:
        return str(Path(tempfile.mkdtemp(dir=self._folder.name)) / f"candidate.{tar.output_format}")

    def _begin(self, mod: Any, target: Any, path: str, *, in_turn: bool = False) -> Future[float]:
        job = save_json(mod), str(target), path
        if in_turn and self.compiles_in is not None and not _LIBRARY_CALL.search(job[0]):
            limit = self.pool.timeout_secs or self.timeout_secs
            return self.compiles_in.submit_before(limit, workers.build_here, *job)
        building: Future[float] = self.pool.submit(workers.build, *job)
        return building


@derived_object
class _Done(PyRunnerFuture):
    def __init__(self, run_secs: list[float] | None, error: str | None) -> None:
        super().__init__()
        self.run_secs, self.error = run_secs, error

    def done(self) -> bool:
        return True

    def result(self) -> RunnerResult:
        return RunnerResult(self.run_secs, self.error)


@derived_object
class PersistentRunner(PyRunner):
    """Runs candidates one after another in a persistent worker process.

    Args:
        target: what the candidates were built for.
        repeat: run times taken of each candidate.
        min_repeat_ms: least length of one of them; short kernels are looped until it is reached.
        timeout_secs: longest measurement of one candidate; a longer one is a `RUN_TIMEOUT`.
        observer: hears of each result.
        stop: when set, candidates not yet run are given back unmeasured.
        stop_above: asked before each candidate for the run time above which one run of it is enough, in seconds.
        before_batch: called before each batch.
        builder: is asked whether each input is built by now.
        cores: that the worker is bound to; none for any.
        flush_cache: whether each run begins with caches that hold nothing of its inputs but the first; a run is then
            one call of the kernel.
    """

    def __init__(
        self,
        target: Target,
        *,
        repeat: int = 3,
        min_repeat_ms: int = 10,
        timeout_secs: float = 20.0,
        observer: MeasureObserver | None = None,
        stop: threading.Event | None = None,
        stop_above: Callable[[], float] | None = None,
        before_batch: Callable[[], None] | None = None,
        flush_cache: bool = False,
        builder: PersistentBuilder | None = None,
        cores: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.builder = builder
        self.before_batch, self.flush_cache = before_batch, flush_cache
        self.stop_above = stop_above
        self.pool = _pool(target, 1, timeout_secs, cores)
        self.pool.submit(workers.ready)
        self.timeout_secs = timeout_secs
        self.repeat, self.min_repeat_ms = repeat, min_repeat_ms
        self.observer, self.stop = observer, stop

    def run(self, runner_inputs: list[RunnerInput]) -> list[Any]:
        """Runs all inputs, in order."""
        if self.before_batch is not None:
            self.before_batch()
        return [self._run_one(item) for item in runner_inputs]

    def _run_one(self, item: RunnerInput) -> Any:
        if self.stop is not None and self.stop.is_set():
            return _Done(None, INTERRUPTED)
        path = str(item.artifact_path)
        if self.builder is not None and (missing := self.builder.finish(path)):
            return _Done(None, missing)
        run_secs, outcome, error = None, Outcome.OK, ""
        args_info = tuple(info.as_json() for info in item.args_info)
        enough = float("inf") if self.stop_above is None else self.stop_above()
        try:
            run_secs = self.measure(path, str(item.device_type), args_info, enough)
        except TimeoutError:
            outcome, error = Outcome.RUN_TIMEOUT, f"run took longer than {self.timeout_secs:g} s"
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            outcome, error = Outcome.RUN_ERROR, cause(problem)
        if self.observer is not None:
            self.observer.ran(path, run_secs, outcome, error)
        return _Done(run_secs, error or None)

    def measure(
        self, path: str, device: str, args_info: tuple[Any, ...], enough_secs: float = float("inf")
    ) -> list[float]:
        """Run times of a built candidate in seconds, `repeat` of them; one where it is above `enough_secs`.

        Raises:
            Exception: whatever the candidate did, or TimeoutError.
        """
        job = (path, device, args_info, self.repeat, self.min_repeat_ms, enough_secs, self.flush_cache)
        is_compiled_here = self.builder is not None and self.builder.compiles_in is self.pool
        submit = self.pool.submit_next if is_compiled_here else self.pool.submit
        run_secs: list[float] = submit(workers.run, *job).result()
        return run_secs

    def close(self) -> None:
        """Ends the worker."""
        self.pool.shutdown(wait=False)
