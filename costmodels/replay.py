"""From records back to TVM schedules: the recorded trace applied to the recorded module.

A foreign module or trace can crash TVM, not only raise: whatever did not come from this process belongs into a
child (`costmodels.featurise`). TVM is imported late.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Sequence
from typing import Any

from tunedb.errors import BadInputError
from tunedb.records import Target, Trace, Trial, Workload
from tunedb.tensor_intrinsics import register_for

_log = logging.getLogger(__name__)


def tvm_version() -> str:
    """The running TVM's release, without importing TVM where its wheel is installed."""
    try:
        return importlib.metadata.version("apache-tvm")
    except importlib.metadata.PackageNotFoundError:  # TVM built from source and put on the path
        import tvm

        return str(tvm.__version__)


def load_module(workload: Workload) -> Any:
    """The workload's IRModule.

    Raises:
        BadInputError: it has no module, another TVM release wrote it, or TVM cannot read it.
    """
    if not workload.module_json:
        raise BadInputError(f"workload {workload.name} has no module")
    if workload.tvm_version != tvm_version():
        raise BadInputError(f"written by TVM {workload.tvm_version or 'of unknown release'}, this is {tvm_version()}")
    import tvm

    try:
        module = tvm.ir.load_json(workload.module_json.decode())
    except Exception as error:
        raise BadInputError(f"TVM cannot read the module of workload {workload.name}: {_last_line(error)}") from error
    if not isinstance(module, tvm.IRModule):
        raise BadInputError(f"the module of workload {workload.name} is a {type(module).__name__}")
    return module


def load_target(target: Target) -> Any:
    """The TVM target, with the tensor intrinsics that it can use registered.

    Raises:
        BadInputError: this TVM does not know such a target.
    """
    import tvm

    try:
        loaded = tvm.target.Target(json.loads(target.text))
    except Exception as error:
        raise BadInputError(f"TVM rejects target {target.text}: {_last_line(error)}") from error
    register_for(str(loaded.kind.name), tuple(str(key) for key in loaded.keys))
    return loaded


def schedule(module: Any, trace: Trace) -> Any:
    """The schedule that a recorded trace, postprocessing included, makes of a module.

    Raises:
        BadInputError: TVM rejects the trace.
    """
    from tvm.s_tir.schedule import Schedule
    from tvm.s_tir.schedule import Trace as TvmTrace

    # The seed is used only where a decision is missing: then at least it is the same each time.
    replayed = Schedule(module, seed=1, debug_mask=0)
    try:
        TvmTrace.apply_json_to_schedule(json.loads(trace.to_json()), replayed)
    except Exception as error:
        raise BadInputError(f"the trace does not apply: {_last_line(error)}") from error
    return replayed


def candidates(workload: Workload, trials: Sequence[Trial], target: Target) -> list[tuple[Trial, Any]]:
    """Replays trials of one module in this process: use it on records that this machine's own runs wrote.

    Returns:
        Pairs of trial and `tvm.s_tir.Schedule`; trials that do not replay are logged and left out.

    Raises:
        BadInputError: the module or target cannot be loaded, so that no trial can be replayed.
    """
    load_target(target)
    module = load_module(workload)
    replayed = []
    for trial in trials:
        try:
            replayed.append((trial, schedule(module, trial.trace)))
        except BadInputError as error:
            _log.warning("trial %s: %s", trial.trial_id, error)
    return replayed


def _last_line(error: Exception) -> str:
    """What went wrong in one line: TVM's texts hold whole programs and stack traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("The error is", "Error message", "ScheduleError"))]
    return (telling or lines or [type(error).__name__])[0 if not telling else -1][:300]
