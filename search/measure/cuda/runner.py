"""The process of one GPU and its watchdog: what hangs, crashes or spoils it costs one trial and a fresh process."""

from __future__ import annotations

import threading
from typing import Any

from search.measure import workers
from search.measure.cuda import process
from search.measure.cuda.gpus import Gpu
from search.measure.zygote import ForkedPool
from tunedb.errors import last_line
from tunedb.records import Outcome, Target

START_SECS = 60.0  # that a process may take to start and to make its context
_USES_BEFORE_RESTART = 500


class Runner:
    """Runs programs on one GPU, each under a limit.

    Args:
        gpu: The device.
        target: What programs are built for.
    """

    def __init__(self, gpu: Gpu, target: Target) -> None:
        self.gpu = gpu
        self._pool = ForkedPool(
            max_workers=1,
            timeout=START_SECS,
            initializer=workers.start_worker,
            initargs=(target.kind, target.keys, target.num_cores or 1, ()),
            maximum_process_uses=_USES_BEFORE_RESTART,
        )
        self._lock = threading.Lock()
        self._is_fresh = True  # whether the process has no context yet, and takes longer for its first task
        self._pool.submit(workers.ready)  # starts it now, so that others need not wait for it later

    def measure(self, job: process.Job, limit_secs: float) -> tuple[Outcome, str, tuple[float, ...]]:
        """Runs a program.

        Args:
            job: The program.
            limit_secs: The longest that it may take.

        Returns:
            How it went, why if it failed, and its run times in seconds.
        """
        outcome, error, value = self._called(limit_secs, process.measure, job)
        return outcome, error, tuple(value or ())

    def compare(
        self, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int, limit_secs: float
    ) -> tuple[Outcome, str, Any]:
        """Compares two programs; see `search.measure.cuda.process.compare`.

        Args:
            libraries: Paths of both.
            args_info: Of their arguments.
            seed: Of the arguments.
            limit_secs: The longest that it may take.

        Returns:
            How it went, why if it failed, and what was found.
        """
        return self._called(limit_secs, process.compare, libraries, args_info, seed)

    def problem(self) -> str:
        """Why the device does not work; "" when it does."""
        for _ in range(2):  # the process may be the one that was just ended
            outcome, error, _ = self._called(START_SECS, process.probe)
            if outcome is Outcome.OK:
                return ""
        return error

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown(wait=False)

    def _called(self, limit_secs: float, function: Any, *args: Any) -> tuple[Outcome, str, Any]:
        with self._lock:  # nothing comes between an error and the end of its process
            limit = limit_secs + (START_SECS if self._is_fresh else 0.0)
            self._is_fresh = False
            where = self.gpu.runtime, self.gpu.place
            try:
                return Outcome.OK, "", self._pool.submit_before(limit, function, *where, *args).result()
            except TimeoutError:  # the watchdog has ended the process
                self._is_fresh = True
                told = f"run took longer than {limit_secs:g} s (--run-timeout gives it more)"
                return Outcome.RUN_TIMEOUT, told, None
            except Exception as error:  # whatever the program did
                self._is_fresh = True
                self._pool.renew()  # its context may be spoilt, without a word until the next program
                return Outcome.RUN_ERROR, last_line(error), None
