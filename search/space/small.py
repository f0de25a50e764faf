"""Programs that are too small to be shared between threads: to wake a second one takes longer than it saves.

MetaSchedule's rule shares every program. The layers of a small network take microseconds each, and a thread that waits
for another's share at the end of each costs as much.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_OPS_PER_SEC, _BYTES_PER_SEC = 5e10, 2e10  # of a core, once a program is scheduled
_LEAST_SECS = 10e-6  # on one core


def is_too_small(mod: Any, num_cores: int) -> bool:
    """Whether a program is believed to be faster on one thread than on as many as there are cores.

    Args:
        mod: Its module, of one function with tensors as arguments.
        num_cores: How many cores the target has.
    """
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.analysis import estimate_tir_flops

    if num_cores < 2:
        return False
    try:
        flop = float(estimate_tir_flops(mod))
    except Exception:  # of extents that are not known
        return False
    args = [info.as_json() for info in ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)]
    num_bytes = sum(math.prod(map(int, shape)) * np.dtype(str(kind)).itemsize for _, kind, shape in args)
    return flop / _OPS_PER_SEC + num_bytes / _BYTES_PER_SEC < _LEAST_SECS


def without_threads(trace: Any) -> Any:
    """A design space in which nothing is shared between threads, with the same decisions otherwise."""
    from tvm.s_tir.schedule import Trace

    kept = [inst for inst in trace.insts if not _shares(inst)]
    return Trace(kept, {inst: decision for inst, decision in trace.decisions.items() if not _shares(inst)})


def _shares(inst: Any) -> bool:
    return str(inst.kind.name) == "Annotate" and str(inst.attrs[0]) == "meta_schedule.parallel"
