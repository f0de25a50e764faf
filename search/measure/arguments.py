"""The arguments that a program is timed with: each in pages of its own, as large tensors lie in a fresh process.

Where tensors begin tells on how fast some programs are: as far from each other as a page's multiple, their accesses get
in each other's way. An allocator places them by what was allocated and freed before, which is no part of a program.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

INDEX_TYPES = ("int32", "int64")
_FILL = "tvm.contrib.random.random_fill_for_measure"


def allocated(args_info: Sequence[Any], device: Any, times: int = 1) -> list[list[Any]]:
    """Tensors with random numbers, and zeros for indices: a random index leads outside its array.

    Args:
        args_info: Of each argument kind, dtype and shape, as MetaSchedule writes them in JSON.
        device: TVM's device. On other than CPUs its own allocator places them.
        times: How many sets of arguments, each at another place.

    Returns:
        A list of tensors for each set.
    """
    import tvm

    fill = tvm.get_global_func(_FILL)
    found = []
    for _ in range(times):
        tensors = []
        for kind, dtype, shape in args_info:
            if kind != "TENSOR":
                raise NotImplementedError(f"an argument of kind {kind}")
            tensor = _paged(dtype, shape) if device.dlpack_device_type() == 1 else None
            if tensor is None:
                tensor = tvm.runtime.empty(tuple(shape), dtype, device)
            if dtype in INDEX_TYPES:
                tensor.copyfrom(np.zeros(shape, dtype))
            else:
                fill(tensor)
            tensors.append(tensor)
        found.append(tensors)
    return found


def _paged(dtype: str, shape: Sequence[int]) -> Any:
    """A tensor that begins a page; None where numpy does not know its type."""
    import tvm_ffi

    try:
        known = np.dtype(dtype)
    except TypeError:
        return None
    count = math.prod(shape)
    memory = mmap.mmap(-1, max(count * known.itemsize, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return tvm_ffi.from_dlpack(np.frombuffer(memory, known, count).reshape(shape))
