"""What a child process does in one session with a server: sends programs, runs them, reads files; importable by name.

A session that dies, or a server that says nothing any more, costs this child and no more. Programs of one session run
one after another, each as long as all of them together are within the time that a session may take to begin.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from search.measure import outputs
from search.measure.arguments import INDEX_TYPES

TEXT_BYTES = 256  # of a path, or of a variable of the environment
_MACHINE = "machine.so"
_FLUSH_BYTES = 1 << 28  # more than the L2 cache of any GPU
_ENOUGH_OF_SESSION = 0.5  # share of the time for sending, after which no further program is begun


class Stage(Enum):
    """How far a session, or a program in it, has come."""

    CONNECT = "connecting"
    SEND = "sending and loading"
    RUN = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Place:
    """A session that a server has offered, and what it is opened with."""

    host: str
    port: int
    match_key: str
    send_secs: float  # that connecting, sending and loading may take
    run_secs: float  # that running may take
    num_threads: int
    device_type: str  # as TVM's runtime names it
    machine: str  # path of the library of `search.measure.fleet.machine`, built for the server

    @property
    def limit_secs(self) -> float:
        """After which the server ends the session."""
        return self.send_secs + self.run_secs


@dataclass(frozen=True, slots=True)
class Job:
    """A program that is to be run."""

    library: str  # path of what was built
    args_info: tuple[Any, ...]
    repeat: int
    min_repeat_ms: int
    enough_secs: float = float("inf")
    flush_cache: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a program."""

    stage: Stage
    run_secs: tuple[float, ...] = ()
    error: str = ""
    is_lost: bool = False  # whether the session has ended with it
    secs: float = 0.0  # spent in the stage
    value: Any = None  # what something else than a measurement found


def measure(place: Place, jobs: Sequence[Job]) -> list[Answer]:
    """Runs programs in one session.

    Args:
        place: The session.
        jobs: The programs.

    Returns:
        An answer for each that was begun, in their order: after one that is lost, or when the session has been open
        for long, the rest is not begun.
    """
    started = time.monotonic()
    session, problem = _opened(place)
    if session is None:
        return [problem]
    answers: list[Answer] = []
    for number, job in enumerate(jobs):
        if number and time.monotonic() - started > _ENOUGH_OF_SESSION * place.send_secs:
            break
        name = f"program{number}"  # of its own: a loader takes two files of one name for one
        answers.append(_guarded(session, partial(_measured, session, place, job, name)))
        if answers[-1].is_lost:
            break
    return answers


def compare(place: Place, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int) -> list[Answer]:
    """Runs two programs on the same arguments.

    Args:
        place: The session.
        libraries: Paths of the program and of the one that is right.
        args_info: Kind, dtype and shape of each argument.
        seed: Of the arguments.

    Returns:
        One answer, whose value is what `search.measure.outputs.compare` returns.
    """
    session, problem = _opened(place)
    if session is None:
        return [problem]

    def compared(enter: Callable[[Stage], None]) -> Answer:
        functions = [_sent(session, library, name) for library, name in zip(libraries, ("a", "b"), strict=True)]
        enter(Stage.RUN)
        device = session.device(place.device_type, 0)
        return Answer(Stage.DONE, value=outputs.compare_functions(functions, device, args_info, seed))

    return [_guarded(session, compared)]


def read_files(place: Place, paths: Sequence[str], size: int) -> list[Answer]:
    """Reads files of the server's machine.

    Args:
        place: The session.
        paths: The files.
        size: The most bytes of one that are read.

    Returns:
        One answer, whose value has the bytes of each file; none for one that cannot be read.
    """
    session, problem = _opened(place)
    if session is None:
        return [problem]

    def read(enter: Callable[[Stage], None]) -> Answer:
        return Answer(Stage.DONE, value=_files(session, paths, size, enter))

    return [_guarded(session, read)]


def describe_gpu(place: Place, paths: Sequence[str], size: int) -> list[Answer]:
    """Asks a server's CUDA device what it is, through TVM's runtime, and reads files of the machine that it is in.

    Args:
        place: The session.
        paths: The files.
        size: The most bytes of one that are read.

    Returns:
        One answer, whose value is what `search.measure.cuda_driver.hardware_of` takes first, and the files' bytes; the
        driver's version is not told, and 0.
    """
    session, problem = _opened(place)
    if session is None:
        return [problem]

    def described(enter: Callable[[Stage], None]) -> Answer:
        device = session.device(place.device_type, 0)
        if not device.exist:
            raise RuntimeError("it has no CUDA device")
        major, _, minor = str(device.compute_version).partition(".")
        told = (
            str(device.device_name),
            (int(major), int(minor or 0)),
            int(device.multi_processor_count),
            int(device.l2_cache_size_bytes or 0),
            int(device.total_global_memory or 0),
            0,
        )
        return Answer(Stage.DONE, value=(told, _files(session, paths, size, enter)))

    return [_guarded(session, described)]


def _files(session: Any, paths: Sequence[str], size: int, enter: Callable[[Stage], None]) -> list[bytes]:
    """Of each file of a server's machine what it holds; nothing of one that cannot be read."""
    import numpy as np
    import tvm

    program = session.load_module(_MACHINE)["read"]
    enter(Stage.RUN)
    device = session.device("cpu", 0)
    content = tvm.runtime.tensor(np.zeros(size, np.uint8), device)
    count = tvm.runtime.tensor(np.zeros(1, np.int64), device)
    found = []
    for path in paths:
        program(_text(path, device), content, count)
        found.append(content.numpy()[: int(count.numpy()[0])].tobytes())
    return found


def _opened(place: Place) -> tuple[Any, Answer]:
    """A session that is ready for programs; where there is none, why not."""
    from tvm import rpc

    from tunedb.errors import last_line

    started = time.monotonic()
    try:
        session = rpc.connect(place.host, place.port, place.match_key, session_timeout=place.limit_secs)
    except Exception as error:  # whatever the network did
        return None, Answer(Stage.CONNECT, (), last_line(error), True, time.monotonic() - started)

    def prepared(enter: Callable[[Stage], None]) -> Answer:
        del enter
        session.upload(place.machine, _MACHINE)
        prepare, device = session.load_module(_MACHINE)["prepare"], session.device("cpu", 0)
        prepare(_text("TVM_NUM_THREADS", device), _text(str(place.num_threads), device))
        return Answer(Stage.DONE)

    answer = _guarded(session, prepared)
    return (session if answer.stage is Stage.DONE else None), answer


def _text(text: str, device: Any) -> Any:
    """A text that ends with 0, on a device."""
    import numpy as np
    import tvm

    encoded = np.frombuffer(text.encode(), np.uint8)
    padded = np.zeros(TEXT_BYTES, np.uint8)
    padded[: len(encoded)] = encoded
    return tvm.runtime.tensor(padded, device)


def _guarded(session: Any, run: Callable[[Callable[[Stage], None]], Answer]) -> Answer:
    """What came of something in a session, whatever it did to it."""
    from tunedb.errors import last_line

    stage, started = Stage.SEND, time.monotonic()

    def enter(next_stage: Stage) -> None:
        nonlocal stage, started
        stage, started = next_stage, time.monotonic()

    try:
        return run(enter)
    except Exception as error:  # whatever the program did
        secs = time.monotonic() - started
        return Answer(stage, (), last_line(error), not _is_alive(session), secs)


def _is_alive(session: Any) -> bool:
    try:
        session.get_function("tvm.rpc.server.workpath")
    except Exception:
        return False
    return True


def _sent(session: Any, library: str, name: str) -> Any:
    """The function of a program that a server has loaded."""
    path = f"{name}{Path(library).suffix}"
    session.upload(library, path)
    return session.load_module(path)["main"]


def _measured(session: Any, place: Place, job: Job, name: str, enter: Callable[[Stage], None]) -> Answer:
    import numpy as np
    from tvm.s_tir.meta_schedule.runner.config import EvaluatorConfig
    from tvm.s_tir.meta_schedule.runner.rpc_runner import default_alloc_argument, default_run_evaluator

    path = f"{name}{Path(job.library).suffix}"
    session.upload(job.library, path)
    module = session.load_module(path)
    device = session.device(place.device_type, 0)
    arguments = default_alloc_argument(session, device, list(job.args_info), 1)
    for argument, (_, dtype, shape) in zip(arguments[0], job.args_info, strict=True):
        if dtype in INDEX_TYPES:  # a random index leads outside its array
            argument.copyfrom(np.zeros(shape, dtype))

    def timed(times: int) -> list[float]:
        least_ms = 0 if job.flush_cache else job.min_repeat_ms
        if place.device_type == "cuda":
            flushed = _FLUSH_BYTES if job.flush_cache else 0
            evaluator = module.time_evaluator(
                "main", device, number=1, repeat=times, min_repeat_ms=least_ms, cache_flush_bytes=flushed
            )
            return [float(secs) for secs in evaluator(*arguments[0]).results]
        config = EvaluatorConfig(number=1, repeat=times, min_repeat_ms=least_ms, enable_cpu_cache_flush=job.flush_cache)
        return [float(secs) for secs in default_run_evaluator(session, module, device, config, arguments)]

    enter(Stage.RUN)
    first = timed(1)
    rest = [] if job.repeat == 1 or first[0] > job.enough_secs else timed(job.repeat - 1)
    return Answer(Stage.DONE, tuple(first + rest))
