"""Compares what two built programs compute; runs in a child process, as they may crash.

Random numbers of one size do not tell everything: a maximum that begins at 0 instead of at the least number is right
for positive inputs, and a sum in another order is only wrong where numbers of many sizes meet. So there are several
kinds of inputs. Both programs are timed on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from search.measure.arguments import INDEX_TYPES
from search.measure.workers import built_here

Draw = Callable[[np.random.Generator, list[int]], Any]

_FLOATS: dict[str, Draw] = {
    "of both signs": lambda rng, shape: rng.uniform(-1.0, 1.0, shape),
    "negative": lambda rng, shape: rng.uniform(-1.0, -0.5, shape),
    "of many sizes": lambda rng, shape: rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-4, 1, shape),
}
_LEAST_NUMBER = 1e-30
_LONG_SECS = 2.0  # of one call: a program that takes longer is run on the first kind alone, or it would time out


def compare(device_type: str, args_info: tuple[Any, ...], seed: int) -> tuple[float, str, float, float, float]:
    """Runs the two programs that this process compiled last on the same arguments, of several kinds.

    The second is the one that is right.

    Args:
        device_type: What both run on, as TVM's runtime names it.
        args_info: Kind, dtype and shape of each argument.
        seed: Of the arguments.

    Returns:
        The largest difference of an element, relative to the largest magnitude of its argument, which is infinite when
        one has a NaN where the other has none; the kind of arguments that it was seen with; the largest magnitude of
        all that the other program wrote; the seconds of the fastest call of each.
    """
    import tvm

    functions = [module[module.entry_name] for module in built_here()]
    return compare_functions(functions, tvm.runtime.device(device_type, 0), args_info, seed)


def compare_functions(
    functions: Sequence[Any], device: Any, args_info: tuple[Any, ...], seed: int
) -> tuple[float, str, float, float, float]:
    """As `compare`, of two functions on a device, which may be another machine's.

    Args:
        functions: The one, and the one that is right.
        device: What both run on, of TVM's runtime.
        args_info: Kind, dtype and shape of each argument.
        seed: Of the arguments.
    """
    import tvm

    rng = np.random.default_rng(seed)
    least = min((extent for _, _, shape in args_info for extent in shape if extent), default=1)
    worst, found_with, magnitude = 0.0, "", 0.0
    fastest = [float("inf"), float("inf")]
    for kind, draw in _FLOATS.items():
        drawn = [_drawn(rng, draw, dtype, shape, least) for _, dtype, shape in args_info]
        after = []
        for place, function in enumerate(functions):
            arguments = [tvm.runtime.tensor(array, device) for array in drawn]  # a copy
            started = time.perf_counter()
            function(*arguments)
            device.sync()
            fastest[place] = min(fastest[place], time.perf_counter() - started)
            after.append([argument.numpy() for argument in arguments])
        difference = 0.0
        for one, right, before in zip(*after, drawn, strict=True):
            is_written = not np.array_equal(right, before)
            if not is_written and np.array_equal(one, before):  # it is only read
                continue
            largest, its_difference = _compared(one, right)
            magnitude = max(magnitude, largest if is_written else 0.0)
            difference = max(difference, its_difference)
        if difference > worst:
            worst, found_with = difference, kind
        if max(fastest) > _LONG_SECS:
            break
    return worst, found_with, magnitude, fastest[0], fastest[1]


def _compared(one: Any, right: Any) -> tuple[float, float]:
    """The largest magnitude of the second array, and how far an element of the first is from it, relative to that."""
    one, right = one.astype(np.float64), right.astype(np.float64)
    largest = float(np.nanmax(np.abs(right), initial=0.0))
    distance = np.abs(one - right)
    if np.isnan(distance).any() and not np.array_equal(np.isnan(one), np.isnan(right)):
        return largest, float("inf")
    return largest, float(np.nanmax(distance, initial=0.0)) / max(largest, _LEAST_NUMBER)


def _drawn(rng: np.random.Generator, draw: Draw, dtype: str, shape: list[int], least: int) -> Any:
    if "int" in dtype:  # what may be an index stays within the smallest array
        bound = min(8, least) if dtype in INDEX_TYPES else 8
        return rng.integers(0, bound, size=shape).astype(dtype)
    return np.asarray(draw(rng, shape)).astype(dtype)
