"""A schedule for GPU programs that have none: DLight's rules, and where these know nothing, a thread for each element.

A CPU runs loops as they are. A GPU runs nothing whose loops are bound to no threads. What a tuner has scheduled stays
as it is. TVM is imported late.
"""

from __future__ import annotations

from typing import Any

_AXES = ("blockIdx.", "threadIdx.")  # by which a thread knows itself


def bound(mod: Any, target: Any) -> Any:
    """A module whose every function can be launched.

    Args:
        mod: A `tvm.ir.IRModule`, of scheduled and unscheduled functions.
        target: TVM's target, of a GPU.

    Returns:
        The module; functions with loops that are bound to threads are unchanged.
    """
    from tvm.ir.transform import Sequential
    from tvm.s_tir import dlight
    from tvm.s_tir.transform import DefaultGPUSchedule

    scheduled = {var: function for var, function in mod.functions_items() if _is_bound(function)}
    rules = (
        dlight.gpu.Matmul(),
        dlight.gpu.GEMV(),
        dlight.gpu.Reduction(),
        dlight.gpu.GeneralReduction(),
        dlight.gpu.Fallback(),
    )
    if len(scheduled) == len(mod.functions):
        return mod
    with target:
        made = Sequential([dlight.ApplyDefaultSchedule(*rules), DefaultGPUSchedule()])(mod)
    for var, function in scheduled.items():
        made.update_func(made.get_global_var(var.name_hint), function)
    return made


def _is_bound(function: Any) -> bool:
    """Whether a function has a loop that is bound to a thread; what is no tensor program needs none."""
    import tvm
    from tvm.ir import save_json

    if not isinstance(function, tvm.tirx.PrimFunc):
        return True
    text = save_json(function)
    return any(axis in text for axis in _AXES)
