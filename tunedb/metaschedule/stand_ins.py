"""Targets that may stand in for one of which nothing is known, and schedules that such a target cannot run.

Nothing stands in unless somebody asks for it, and what does is labelled: a latency is of the target that it was
measured for. How near two CPUs are is counted in instruction sets, as LLVM lists them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import msgspec

from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.identity import canonical_target
from tunedb.metaschedule.target_check import check_target, features_of
from tunedb.program.targets import near
from tunedb.query.best import Best, best
from tunedb.records import DEFAULT_CONDITIONS, Target, Trace
from tunedb.store.contract import StoreReader

_INSTRUCTIONS = msgspec.json.Decoder(list[tuple[str, list[object], list[object], list[str]]])
_TENSORIZE = b'["Tensorize"'
_AUTO_TENSORIZE = "meta_schedule.auto_tensorize"
# What each of TVM's intrinsics for CPUs needs, as LLVM calls it.
_NEEDED = {
    "dot_16x4_vnni": "avx512vnni",
    "dot_16x4_avx512": "avx512bw",
    "dot_4x4_i8i8s32_neon": "neon",
    "dot_4x4_i8i8s32_sdot": "dotprod",
    "dot_4x4_u8u8u32_udot": "dotprod",
    "dot_4x4_u8u8i32_hdot": "dotprod",
}


def stand_ins(targets: Sequence[Target], target: Target) -> list[Target]:
    """The targets that may stand in for another one, the nearest first: of its kind and its architecture.

    Args:
        targets: the targets to choose from.
        target: the one that they stand in for; it is left out.
    """
    if target.kind != "llvm":
        return near(targets, target)
    wanted, triple = features_of(target), _architecture(target)
    others = [
        row
        for row in targets
        if row.kind == target.kind and row.target_id != target.target_id and _architecture(row) == triple
    ]
    apart = {row.target_id: len(features_of(row) ^ wanted) for row in others if features_of(row)}
    others = [row for row in others if row.target_id in apart]
    return sorted(
        others,
        key=lambda row: (apart[row.target_id], row.arch != target.arch, _cores_apart(row, target), row.target_id),
    )


def lacking(trace: Trace, target: Target) -> tuple[str, ...]:
    """The instruction sets that a schedule needs and a target has not; an intrinsic that nobody knows is named itself.

    Args:
        trace: the schedule.
        target: what it is to be compiled for.
    """
    if _TENSORIZE not in trace.instructions and _AUTO_TENSORIZE.encode() not in trace.instructions:
        return ()
    needed = {_NEEDED.get(name, name) for name in intrinsics_of(trace)}
    return tuple(sorted(needed - features_of(target))) if target.kind == "llvm" else ()


def intrinsics_of(trace: Trace) -> set[str]:
    """The tensor intrinsics that a schedule names.

    Raises:
        BadInputError: it is no trace of MetaSchedule's.
    """
    try:
        instructions = _INSTRUCTIONS.decode(trace.instructions)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the trace's instructions are malformed: {error}") from error
    found = set()
    for kind, inputs, attributes, _ in instructions:
        if kind == "Tensorize":
            found.add(str(attributes[0]))
        elif kind == "Annotate" and attributes[:1] == [_AUTO_TENSORIZE]:
            found.add(str(inputs[-1]).strip('"'))
    return found - {""}


def best_nearby(
    store: StoreReader,
    prefix: str,
    target: str,
    top: int = 1,
    conditions: str = DEFAULT_CONDITIONS,
    *,
    trusted: bool = False,
) -> list[Best]:
    """As `tunedb.query.best.best` of one target; where it has nothing, of the nearest one that has.

    Args:
        store: the store that is asked.
        prefix: the beginning of the workload's hash, ours or TVM's.
        target: what the target is called; one that the store does not know may be TVM's, or the name of a CPU.
        top: how many schedules at most.
        conditions: the conditions that they were measured under.
        trusted: whether to leave out what is foreign.

    Returns:
        Schedules of one target; where it is another one, they say for which it stands in.

    Raises:
        NotFoundError: there is no such workload, or nothing stands in.
        AmbiguousPrefixError: more than one workload or target is meant.
    """
    try:
        return best(store, prefix, target, top, conditions, trusted=trusted)
    except NotFoundError as error:
        nothing = error
    asked = _asked(store, target, nothing)
    for other in stand_ins(store.targets(), asked):
        try:
            found = best(store, prefix, other.target_id, top, conditions, trusted=trusted)
        except NotFoundError:
            continue
        fitting = [replace(one, stands_in_for=asked) for one in found if not lacking(one.trial.trace, asked)]
        if fitting:
            return fitting
    raise nothing


def _asked(store: StoreReader, text: str, otherwise: NotFoundError) -> Target:
    """The target that a person means, known to the store or not."""
    try:
        return store.resolve_target(text)
    except NotFoundError:
        pass
    for written in (text, f"llvm -mcpu={text}"):
        try:
            return check_target(canonical_target(written))
        except (BadInputError, UsageError):
            continue
    raise otherwise


@lru_cache(maxsize=256)
def _triple(text: str) -> str:
    return str(json.loads(text).get("mtriple", ""))


def _architecture(target: Target) -> str:
    from tvm.target.codegen import llvm_get_system_triple

    return (_triple(target.text) or str(llvm_get_system_triple())).partition("-")[0]


def _cores_apart(one: Target, other: Target) -> int:
    return abs((one.num_cores or 1) - (other.num_cores or 1))
