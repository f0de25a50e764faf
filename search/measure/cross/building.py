"""Builds libraries that a server loads as they are: linked here, so that a server needs no compiler.

For a machine of another kind that takes a cross compiler. Where there is none, objects are sent, and the server links
them with a compiler of its own.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from tvm.ir import save_json

from search.measure import workers
from search.measure.building import Building, BuildLimit
from search.measure.cross.architecture import host_of
from search.measure.device import Program
from search.measure.zygote import ForkedPool
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

_TIMEOUT_SECS = 30.0
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
        self._limit = BuildLimit(timeout_secs or _TIMEOUT_SECS, _SHORTEST_LIMIT_SECS if timeout_secs is None else None)
        self._number = 0
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-fleet-", ignore_cleanup_errors=True)
        self._pool = ForkedPool(
            max_workers=num_workers,
            timeout=self._limit.most_secs,
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
        limit = self._limit.secs if is_candidate else self._limit.most_secs
        folder = Path(self._folder.name) / str(self._number)
        folder.mkdir()  # of its own: what it is linked to lands beside it
        self._number += 1
        path = folder / f"program{'.so' if self._linker else '.tar'}"
        target_json = json.dumps(host_of(self._target)) if for_host else self._target_json
        job = save_json(program.mod), target_json, str(path), self._linker
        learn = self._limit.learn if is_candidate else None
        return Building(str(path), self._pool.submit_before(limit, build_library, *job), limit, learn)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(wait=False)
        self._folder.cleanup()

    @functools.cached_property
    def _target_json(self) -> str:
        return str(target_to_tvm(self._target))


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
