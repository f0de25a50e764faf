"""Replay of trials: the schedule, module or script of a record, from anywhere. TVM is imported late.

TVM can crash on what it does not expect, not only raise. So nothing that came from elsewhere reaches it unchecked: its
form is validated, and unless the caller vouches for it, it is first replayed in a child process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tunedb.metaschedule.convert import (
    load_module,
    recorded_trace,
    release,
    replay,
    target_from_tvm,
    target_to_tvm,
    trial_from_measurement,
    workload_from_module,
)
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.upgrade import replayable
from tunedb.query.best import Best
from tunedb.records import Module, Trace, Trial
from tunedb.store.contract import Store
from tunedb.traces import validated_trace

__all__ = [
    "load_module",
    "recorded_trace",
    "release",
    "replay",
    "schedule",
    "scheduled_module",
    "script",
    "target_from_tvm",
    "target_to_tvm",
    "trial_from_measurement",
    "with_scripts",
    "workload_from_module",
]


def scheduled_module(module: Module, trial: Trial, *, trusted: bool = False) -> Any:
    """Makes the module that a trial measured: its trace, postprocessors' part included, applied to its module.

    Args:
        module: the trial's own module (`Store.module(trial.module_id)`).
        trial: the trial to replay.
        trusted: whether this machine's own runs wrote both; else they are first replayed in a child process.

    Returns:
        The scheduled IRModule.

    Raises:
        BadInputError: the trial does not replay here.
    """
    return schedule(module, trial.trace, trusted=trusted).mod


def schedule(module: Module, trace: Trace, *, trusted: bool = False) -> Any:
    """Replays a trace as `scheduled_module` does.

    Args:
        module: the module that the trace was recorded with.
        trace: the trace, with the postprocessors' part or without it.
        trusted: whether this machine's own runs wrote both; else they are first replayed in a child process.

    Returns:
        The `tvm.s_tir.Schedule`.

    Raises:
        BadInputError: the trace does not replay here.
    """
    if module.tvm_version != release():
        load_module(module)  # says why not
    decoded = validated_trace(trace)
    if not trusted:
        probe(module, trace)
    return replay(load_module(module), decoded)


def script(module: Module, trial: Trial) -> str:
    """Makes the scheduled TVMScript of a trial in a child process, for showing.

    Raises:
        BadInputError: the trial does not replay with this TVM.
    """
    if module.tvm_version != release():
        load_module(module)  # says why not
    validated_trace(trial.trace)
    return probe(module, trial.trace)


def with_scripts(store: Store, found: Sequence[Best]) -> list[Best]:
    """The same best schedules, each with its TVMScript as the installed TVM prints it.

    Args:
        store: the store that they are from.
        found: what `tunedb.query.best.best` answered.

    Raises:
        BadInputError: one of them does not replay with this TVM.
    """
    scripted = []
    for row in found:
        module, trace = replayable(store, row.trial, release())
        scripted.append(replace(row, script=script(module, replace(row.trial, trace=trace))))
    return scripted
