"""Upgrade of traces of older MetaSchedule releases to the form that the installed one replays. No TVM.

A release reads only modules that it wrote itself, so an old trace replays only where the store has a module of the same
workload from the installed release. Blocks of the two correspond in their order, as the workload's identity says.
`replayable` says what still cannot be replayed, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.program.releases import installed_release
from tunedb.records import Module, Trace, Trial
from tunedb.store.contract import Store
from tunedb.traces import validated_trace

_RENAMED = {"GetBlock": "GetSBlock"}  # 0.25

# How releases before the one named wrote an instruction with fewer attributes or inputs: what to append.
_ATTRS = {
    "ComputeAt": (2, -1),  # 0.10: index among the loop's children
    "ReverseComputeAt": (2, -1),  # 0.10
    "Split": (2, 0),  # 0.15: disable_predication
}
_INPUTS: dict[str, tuple[int, list[str]]] = {
    "CacheRead": (2, []),  # 0.10: consumer blocks
    "CacheWrite": (2, []),  # 0.10
}
_NAMES_BLOCK = "GetSBlock"  # the instruction whose first attribute is a block's name


def upgraded(trace: Trace, block_names: Mapping[str, str] | None = None) -> Trace:
    """Brings a trace to the form of the newest release. One that is in that form already comes back equal.

    Args:
        trace: the trace, of any release.
        block_names: the names of blocks where the trace is to be replayed, by the names that it has for them.

    Returns:
        The same trace in the new form.

    Raises:
        BadInputError: the trace is no MetaSchedule trace.
    """
    instructions, decisions = validated_trace(trace)
    names = block_names or {}
    return Trace(
        msgspec.json.encode([_upgraded(instruction, names) for instruction in instructions]),
        msgspec.json.encode(decisions),
    )


def _upgraded(instruction: list[Any], names: Mapping[str, str]) -> list[Any]:
    kind, inputs, attrs, outputs = instruction
    kind = _RENAMED.get(kind, kind)
    if kind in _ATTRS and len(attrs) == _ATTRS[kind][0] - 1:
        attrs = [*attrs, _ATTRS[kind][1]]
    if kind in _INPUTS and len(inputs) == _INPUTS[kind][0] - 1:
        inputs = [*inputs, _INPUTS[kind][1]]
    if kind == _NAMES_BLOCK and attrs and attrs[0] in names:
        attrs = [names[attrs[0]], *attrs[1:]]
    return [kind, inputs, attrs, outputs]


def block_names(old: Module, new: Module) -> dict[str, str]:
    """Finds what the blocks of one module are called in another module of the same workload.

    Args:
        old: the module whose names are known.
        new: the module whose names are wanted.

    Returns:
        The names of blocks in `new` by their names in `old`.

    Raises:
        BadInputError: the two are no modules of one workload.
    """
    from tunedb.program.graph import ProgramGraph
    from tunedb.program.signature import read_signature

    if old.workload_id != new.workload_id:
        raise BadInputError("the modules are of two workloads")
    hints = [[block.hint for block in read_signature(ProgramGraph(row.module_json)).blocks] for row in (old, new)]
    return dict(zip(*hints, strict=True))


def replayable(store: Store, trial: Trial, release: str) -> tuple[Module, Trace]:
    """Finds the module and the trace with which a TVM release replays a trial. Nothing is replayed yet.

    Args:
        store: the store that the trial is from.
        trial: the trial to be replayed.
        release: the version of TVM that is to replay it.

    Returns:
        The module, and the trace in the release's form.

    Raises:
        BadInputError: the trial cannot be replayed; the message says why.
    """
    validated_trace(trial.trace)  # a schedule of another tuner ends here
    if not trial.module_id:
        raise BadInputError("the module that it was recorded with is lost: its log did not have it")
    own = store.module(trial.module_id)
    if own.tvm_version == release:
        return own, trial.trace
    for module in store.modules(trial.workload_id):
        if module.tvm_version == release:
            return module, upgraded(trial.trace, block_names(own, module))
    raise BadInputError(
        f"its module was written by TVM {own.tvm_version or 'of unknown release'}, which {release} cannot read, and "
        f"the store has no module of the same workload from {release}"
    )


def hindrance(store: Store, trial: Trial) -> str | None:
    """Why the installed TVM cannot replay a trial, as far as its form tells; None if it can.

    Args:
        store: the store that the trial is from.
        trial: the trial. It is not replayed, and TVM is not imported.
    """
    release = installed_release()
    if not release:
        return "no TVM is installed"
    try:
        replayable(store, trial, release)
    except BadInputError as error:
        return str(error)
    return None
