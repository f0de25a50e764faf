"""Builds libraries that a server loads as they are: linked here, so that a server needs no compiler.

For a machine of another kind that takes a cross compiler. Where there is none, objects are sent, and the server links
them with a compiler of its own.
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tvm.ir import save_json

from search.measure import workers
from search.measure.cross.architecture import host_of
from search.measure.device import Program
from search.measure.zygote import ForkedPool
from tunedb.errors import last_line
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Outcome, Target

_TIMEOUT_SECS = 30.0
_TYPICAL_BUILDS = 8  # of which the usual time is taken
_LONG_BUILD = 25.0  # times the usual: what takes so long is unrolled without end, and no faster than others
_SHORTEST_LIMIT_SECS = 6.0
_USES_BEFORE_RESTART = 200  # workers leak some memory with each module


class Builders:
    """Processes of this machine that build for another one.

    Args:
        target: What is built for.
        num_workers: How many build at once.
        timeout_secs: The longest build; None is 30 seconds, less once builds are known.
        linker: The compiler that links; None leaves linking to the server.
    """

    def __init__(self, target: Target, num_workers: int, timeout_secs: float | None, linker: str | None) -> None:
        self._target, self._linker = target, linker
        self._limit_secs, self._is_told = timeout_secs or _TIMEOUT_SECS, timeout_secs is not None
        self._secs: list[float] = []
        self._number = 0
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-fleet-", ignore_cleanup_errors=True)
        self._pool = ForkedPool(
            max_workers=num_workers,
            timeout=self._limit_secs,
            initializer=workers.start_worker,
            initargs=(target.kind, target.keys, 1, ()),
            maximum_process_uses=_USES_BEFORE_RESTART,
        )

    def begin(self, program: Program, *, is_candidate: bool, for_host: bool = False) -> Building:
        """Begins to build a program.

        Args:
            program: The program.
            is_candidate: Whether it is one of many alike, and may not take much longer than they.
            for_host: Whether it runs on the machine that the target's device is in, and not on the device.
        """
        limit = self._limit_secs
        if is_candidate and len(self._secs) >= _TYPICAL_BUILDS:
            limit = min(limit, round(max(_LONG_BUILD * statistics.median(self._secs), _SHORTEST_LIMIT_SECS), 1))
        folder = Path(self._folder.name) / str(self._number)
        folder.mkdir()  # of its own: what it is linked to lands beside it
        self._number += 1
        path = folder / f"program{'.so' if self._linker else '.tar'}"
        target_json = json.dumps(host_of(self._target)) if for_host else self._target_json
        job = save_json(program.mod), target_json, str(path), self._linker
        learns = self._learn if is_candidate and not self._is_told else None
        return Building(path, self._pool.submit_before(limit, build_library, *job), limit, learns)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(wait=False)
        self._folder.cleanup()

    @functools.cached_property
    def _target_json(self) -> str:
        return str(target_to_tvm(self._target))

    def _learn(self, secs: float) -> None:
        self._secs.append(secs)


class Building:
    """A library that is being built; made by `Builders.begin`."""

    def __init__(
        self, path: Path, future: Future[float], limit_secs: float, learn: Callable[[float], None] | None
    ) -> None:
        self.library = str(path)
        self._future, self._limit_secs, self._learn = future, limit_secs, learn

    @property
    def is_done(self) -> bool:
        """Whether the library is there, or never will be."""
        return self._future.done()

    def result(self) -> tuple[Outcome, str]:
        """Waits for it; OK, or how it failed and why."""
        try:
            secs = self._future.result()
        except TimeoutError:
            limit = f"{self._limit_secs:g} s"
            return Outcome.COMPILE_TIMEOUT, f"build took longer than {limit} (--build-timeout gives it more)"
        except Exception as problem:  # whatever the candidate did: it is the trial's cause of failure
            return Outcome.COMPILE_ERROR, last_line(problem)
        if self._learn is not None:
            self._learn(secs)
            self._learn = None
        return Outcome.OK, ""

    def release(self) -> None:
        """Removes the library."""
        self._future.cancel()
        shutil.rmtree(Path(self.library).parent, ignore_errors=True)


def build_library(mod_json: str, target_json: str, path: str, linker: str | None) -> float:
    """Compiles a module in a child process.

    Args:
        mod_json: The module as JSON.
        target_json: The target as JSON.
        path: Where the library goes, or the archive of objects.
        linker: The compiler that links; None makes an archive.

    Returns:
        The seconds it took.
    """
    from tvm.support.tar import tar

    started = time.monotonic()
    module = workers.built_module(mod_json, target_json)
    # What a library lacks is found when it is loaded, and not by the death of the process that runs it.
    options: dict[str, Any] = {"fcompile": tar} if linker is None else {"cc": linker, "options": ["-Wl,-z,now"]}
    module.export_library(path, **options)
    return time.monotonic() - started
