"""What runs in the process of one GPU: measures and compares; importable there by name.

A kernel that reads outside its arrays leaves the GPU's context unusable for all that follow in its process. So whoever
called this ends the process after an error, and a fresh one takes the next program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.measure import outputs
from search.measure.arguments import INDEX_TYPES

_WARM_UP_MS = 5  # of a program's own runs before the first that counts: clocks rise, and caches fill
_PROBED = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A program that is to be run."""

    library: str  # path of what was built
    args_info: tuple[Any, ...]  # of each argument kind, dtype and shape
    repeat: int
    min_repeat_ms: int
    enough_secs: float = float("inf")  # the run time above which one is enough
    flush_bytes: int = 0  # that are copied before each run, so that caches hold nothing of its inputs; 0: none


def measure(runtime: str, place: int, job: Job) -> list[float]:
    """Measures one program, by the device's own clock: CUDA events, on a CUDA device.

    Args:
        runtime: The kind of device, as TVM's runtime names it.
        place: Which of them.
        job: The program.

    Returns:
        `repeat` run times in seconds; only the first when it is above `enough_secs`.
    """
    import numpy as np
    import tvm
    from tvm.s_tir.meta_schedule.runner.local_runner import default_alloc_argument

    module = tvm.runtime.load_module(job.library)
    device = tvm.runtime.device(runtime, place)
    (arguments,) = default_alloc_argument(device, list(job.args_info), 1)
    for argument, (_, dtype, shape) in zip(arguments, job.args_info, strict=True):
        if dtype in INDEX_TYPES:  # a random index leads outside its array
            argument.copyfrom(np.zeros(shape, dtype))

    def timed(times: int, least_ms: int) -> list[float]:
        evaluator = module.time_evaluator(
            "main", device, number=1, repeat=times, min_repeat_ms=least_ms, cache_flush_bytes=job.flush_bytes
        )
        return [float(secs) for secs in evaluator(*arguments).results]

    least_ms = 0 if job.flush_bytes else job.min_repeat_ms  # between the calls that fill it nothing is flushed
    timed(1, _WARM_UP_MS)
    first = timed(1, least_ms)
    is_enough = job.repeat == 1 or first[0] > job.enough_secs
    found = first if is_enough else first + timed(job.repeat - 1, least_ms)
    device.sync()  # what went wrong is told by now, and not to the next program
    return found


def compare(
    runtime: str, place: int, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int
) -> tuple[float, str, float, float, float]:
    """Runs two programs on the same arguments; see `search.measure.outputs.compare`.

    Args:
        runtime: The kind of device, as TVM's runtime names it.
        place: Which of them.
        libraries: Paths of the program and of the one that is right.
        args_info: Kind, dtype and shape of each argument.
        seed: Of the arguments.
    """
    import tvm

    functions = [tvm.runtime.load_module(library)["main"] for library in libraries]
    return outputs.compare_functions(functions, tvm.runtime.device(runtime, place), args_info, seed)


def probe(runtime: str, place: int) -> None:
    """Finds out whether a device works: what is written to it is read back.

    Args:
        runtime: The kind of device, as TVM's runtime names it.
        place: Which of them.
    """
    import numpy as np
    import tvm

    device = tvm.runtime.device(runtime, place)
    if not device.exist:
        raise RuntimeError(f"TVM's runtime has no device {runtime}:{place}")
    numbers = np.arange(_PROBED, dtype="float32")
    back = tvm.runtime.tensor(numbers, device).numpy()
    device.sync()
    if not np.array_equal(back, numbers):
        raise RuntimeError(f"device {runtime}:{place} gives back other numbers than it was given")
