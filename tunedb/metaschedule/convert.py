"""Conversion to and from TVM's own objects: targets, modules, traces, measurements. TVM is imported late.

Nothing here protects from a module or trace that crashes TVM: see `tunedb.metaschedule.replay`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from tunedb.errors import BadInputError, last_line
from tunedb.identity import canonical_target, content_hash, trial_id
from tunedb.ingest.formats.metaschedule import read_workload
from tunedb.program.releases import installed_release
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Outcome, Source, Target, Trace, Trial, Workload
from tunedb.run_times import outcome_of

_CACHED_MODULES = 64


def target_from_tvm(target: object) -> Target:
    """Makes our record of a target.

    Args:
        target: a `tvm.target.Target`, what TVM makes one of (a dict, JSON, a tag), or a text as logs have it
            ("llvm -mcpu=znver5").

    Returns:
        The record.

    Raises:
        BadInputError: TVM makes no target of it.
    """
    import tvm

    if isinstance(target, Target):
        return target
    if isinstance(target, str) and target not in tvm.target.list_tags():  # the user may have registered some
        return canonical_target(str(target_to_tvm(canonical_target(target))))
    if not isinstance(target, tvm.target.Target):
        wanted = dict(target) if isinstance(target, Mapping) else target
        try:
            target = tvm.target.Target(wanted)
        except Exception as error:
            raise BadInputError(f"TVM makes no target of {wanted!r}: {last_line(error)}") from error
    return canonical_target(str(target))


def target_to_tvm(target: Target) -> Any:
    """Makes a `tvm.target.Target`.

    Args:
        target: our record of the target.

    Returns:
        The `tvm.target.Target`.

    Raises:
        BadInputError: this TVM does not know such a target.
    """
    import tvm

    try:
        return tvm.target.Target(json.loads(target.text))
    except Exception as error:
        raise BadInputError(f"TVM rejects the target {target.text}: {last_line(error)}") from error


def workload_from_module(mod: Any) -> tuple[Workload, Module]:
    """Our records of an IRModule: what it computes, and the module itself.

    Its structural hash is the one that MetaSchedule's JSON database would write.

    Raises:
        BadInputError: it holds no tensor program.
    """
    from tvm.s_tir.meta_schedule.database import Workload as TvmWorkload

    return read_workload(msgspec.json.encode(plain(TvmWorkload(mod).as_json())))


def load_module(module: Module) -> Any:
    """A module as an IRModule. Modules are shared between calls: TVM's are immutable.

    Raises:
        BadInputError: another TVM release wrote it, or it is not what its hash says.
    """
    running = release()
    if module.tvm_version != running:
        wrote = module.tvm_version or "an unknown release"
        raise BadInputError(f"the module {module.module_id[:12]} was written by TVM {wrote}; this is {running}")
    if content_hash("module", module.module_json) != module.module_id:
        raise BadInputError(f"the module {module.module_id[:12]} is not what its hash says")
    return _load(module.module_json)


@lru_cache(maxsize=_CACHED_MODULES)
def _load(module_json: bytes) -> Any:
    import tvm

    from tunedb.program.graph import ProgramGraph
    from tunedb.program.signature import read_signature

    read_signature(ProgramGraph(module_json))  # a graph that we cannot walk is none for TVM
    try:
        return tvm.ir.load_json(module_json.decode())
    except Exception as error:
        raise BadInputError(f"TVM cannot read the module: {last_line(error)}") from error


def replay(mod: Any, decoded: Any) -> Any:
    """Applies a trace to a module as stock does when it opens a record.

    Args:
        mod: the IRModule.
        decoded: the trace's JSON, validated by `tunedb.traces.validated_trace`.

    Returns:
        The `tvm.s_tir.Schedule`.

    Raises:
        BadInputError: the trace does not replay on the module.
    """
    from tvm.s_tir.schedule import Schedule
    from tvm.s_tir.schedule import Trace as TvmTrace

    _register_intrinsics(decoded)
    replayed = Schedule(mod, seed=1, debug_mask=0, error_render_level="none")
    try:
        TvmTrace.apply_json_to_schedule(decoded, replayed)
    except Exception as error:
        raise BadInputError(f"the trace does not replay: {last_line(error)}") from error
    return replayed


def recorded_trace(trace: Any) -> Trace:
    """Turns a `tvm.s_tir.schedule.Trace` into the form that records hold."""
    instructions, decisions = plain(trace.as_json())
    return Trace(msgspec.json.encode(instructions), msgspec.json.encode(decisions))


def trial_from_measurement(
    module: Module,
    target: Target,
    hardware: Hardware,
    source: Source,
    *,
    position: int,
    trace: Any,
    run_secs: Sequence[float] | None,
    args_info: Sequence[Any] = (),
    outcome: Outcome = Outcome.OK,
    error: str = "",
    measured_at: datetime | None = None,
    conditions: str = DEFAULT_CONDITIONS,
) -> Trial:
    """A trial from what MetaSchedule hands to its callbacks.

    Args:
        module: the module that the trace belongs to (`workload_from_module`).
        target: the target that the candidate was compiled for.
        hardware: the machine that it ran on.
        source: the run that measured it.
        position: the number of the trial within the source, from 0.
        trace: the `tvm.s_tir.schedule.Trace`, with the postprocessors' part.
        run_secs: the run time of each repeat, in seconds; None or empty for a failed trial.
        args_info: the `ArgInfo.as_json()` of each argument, or the `ArgInfo`s themselves.
        outcome: how the measurement ended; `OK` without run times counts as `FAILED`.
        error: the cause of failure; "" for a good trial.
        measured_at: the time of the measurement; None where it is not known.
        conditions: the conditions of the measurement (`tunedb.identity.conditions_of`).
    """
    recorded = recorded_trace(trace)
    secs: tuple[float, ...] = ()
    if outcome is Outcome.OK:
        outcome, secs, reason = outcome_of(run_secs) if run_secs else (Outcome.FAILED, (), "")
        error = error or reason
    described = [plain(arg.as_json()) if hasattr(arg, "as_json") else plain(arg) for arg in args_info]
    identity = trial_id(
        workload_id=module.workload_id,
        module_id=module.module_id,
        target_id=target.target_id,
        hardware_id=hardware.hardware_id,
        trace=recorded,
        run_secs=secs,
        outcome=outcome,
        conditions=conditions,
    )
    return Trial(
        trial_id=identity,
        workload_id=module.workload_id,
        module_id=module.module_id,
        target_id=target.target_id,
        hardware_id=hardware.hardware_id,
        source_id=source.source_id,
        position=position,
        trace=recorded,
        args_info=msgspec.json.encode(described),
        run_secs=secs,
        outcome=outcome,
        error=error,
        measured_at=measured_at,
        conditions=conditions,
    )


def plain(value: Any) -> Any:
    """A TVM container of numbers and strings as Python's own; truth as 1 and 0, as MetaSchedule's JSON has it."""
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "value"):  # IntImm, FloatImm
        return plain(value.value)
    return [plain(item) for item in value]


def _register_intrinsics(decoded: Any) -> None:
    """Makes the tensor intrinsics known that a trace uses; most use none, and all of TVM's take 16 s to load."""
    names = {attr for kind, _, attrs, _ in decoded[0] if kind == "Tensorize" for attr in attrs if isinstance(attr, str)}
    if not names:
        return
    from tunedb.metaschedule.intrinsics import register_named

    register_named(names)


@lru_cache(maxsize=1)
def release() -> str:
    """The version of the TVM that runs here, without importing it where its wheel says."""
    if found := installed_release():
        return found
    import tvm  # built from source and put on the path

    return str(tvm.__version__)
