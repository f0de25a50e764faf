"""The arguments that a program is timed with: each begins a page, and all lie in huge pages where the system has them.

Where tensors lie tells on how fast some programs are. Where they begin is the allocator's affair, by what was allocated
and freed before; which physical pages they get, and so which sets of the caches, is drawn anew each time. Neither is a
part of the program.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

INDEX_TYPES = ("int32", "int64")
_CPU = 1  # kDLCPU
_PAGE, _HUGE = 4096, 2 << 20  # bytes
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

    for kind, _, _ in args_info:
        if kind != "TENSOR":
            raise NotImplementedError(f"an argument of kind {kind}")
    fill = tvm.get_global_func(_FILL)
    found = []
    for _ in range(times):
        tensors = _in_pages(args_info) if device.dlpack_device_type() == _CPU else None
        if tensors is None:
            tensors = [tvm.runtime.empty(tuple(shape), dtype, device) for _, dtype, shape in args_info]
        for tensor, (_, dtype, shape) in zip(tensors, args_info, strict=True):
            if dtype in INDEX_TYPES:
                tensor.copyfrom(np.zeros(shape, dtype))
            else:
                fill(tensor)
        found.append(tensors)
    return found


def _in_pages(args_info: Sequence[Any]) -> list[Any] | None:
    """Tensors in one piece of memory; None where numpy does not know a type."""
    import tvm_ffi

    try:
        dtypes = [np.dtype(dtype) for _, dtype, _ in args_info]
    except TypeError:
        return None
    counts = [math.prod(shape) for _, _, shape in args_info]
    begins = [0]
    for dtype, count in zip(dtypes, counts, strict=True):
        begins.append(begins[-1] + max(-(-count * dtype.itemsize // _PAGE), 1) * _PAGE)
    memory = mmap.mmap(-1, (begins[-1] // _HUGE + 2) * _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):  # a system, or a kernel, that has none
        memory.madvise(mmap.MADV_HUGEPAGE)
    content = np.frombuffer(memory, np.uint8)
    content = content[-content.ctypes.data % _HUGE :]
    return [
        tvm_ffi.from_dlpack(content[begin : begin + count * dtype.itemsize].view(dtype).reshape(shape))
        for begin, count, dtype, (_, _, shape) in zip(begins, counts, dtypes, args_info, strict=False)
    ]
