"""Whether the installed TVM can generate code for a target: asked before anything is built. TVM is imported late.

LLVM compiles for a generic CPU where it does not know the one that it is told, and says so on stderr only. Trials of
such code would stand in the store as that CPU's.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from tunedb.errors import BadInputError, UsageError, last_line
from tunedb.metaschedule.convert import target_to_tvm
from tunedb.records import Target

_MOST_CORES = 1 << 12
_OPT_LEVELS = range(4)
_CUDA_ARCH = re.compile(r"sm_(?:[2-9]\d|1\d\d)[af]?")
# What TVM prints where it takes something else than it was told.
_COMPLAINT = re.compile(
    r"^(?:.*?(?:Error|Warning): )?(.*(?:not a recognized|not an LLVM|is not valid|ignor).*)$", re.MULTILINE
)


def check_target(target: Target) -> Target:
    """Whether code can be generated for a target, just as it says.

    Args:
        target: the target, of any kind.

    Returns:
        The target.

    Raises:
        UsageError: the installed TVM would take a part of it for another, or not at all. The message says which part,
            and how it may have been meant.
    """
    if reason := _reason(target.text):
        raise UsageError(f"no code can be generated for the target {target.text}: {reason}")
    return target


@lru_cache(maxsize=256)
def _reason(text: str) -> str:
    """Why there is no code for a target; "" where there is."""
    from tunedb.identity import canonical_target

    target, fields = canonical_target(text), json.loads(text)
    return _unknown_field(target.kind, fields) or _wrong_number(fields) or _unbuildable(target, fields)


def _unknown_field(kind: str, fields: Mapping[str, Any]) -> str:
    import tvm

    kinds = sorted(map(str, tvm.get_global_func("target.ListTargetKinds")()))
    if kind not in kinds:
        return f"TVM has no kind {kind!r}{_nearest(kind, kinds)}"
    options = sorted(map(str, tvm.target.TargetKind.options_from_name(kind)))
    for name in fields:
        if name not in options and not name.startswith("feature."):
            return f"TVM has no option {name!r} for {kind}{_nearest(name, options)}"
    return ""


def _wrong_number(fields: Mapping[str, Any]) -> str:
    cores = fields.get("num-cores", 1)
    if type(cores) is not int or not 1 <= cores <= _MOST_CORES:
        return f"num-cores is {json.dumps(cores)}, not a whole number from 1 to {_MOST_CORES}"
    level = fields.get("opt-level", 0)
    if type(level) is not int or level not in _OPT_LEVELS:
        return f"opt-level is {json.dumps(level)}, not 0, 1, 2 or 3"
    return ""


def _unbuildable(target: Target, fields: Mapping[str, Any]) -> str:
    if target.kind == "cuda" and (arch := fields.get("arch")) and not _CUDA_ARCH.fullmatch(str(arch)):
        return f"its arch is {arch!r}, not one like 'sm_90'"
    try:
        if target.kind == "llvm":
            return _not_for_llvm(fields) or _complaint(target)
        target_to_tvm(target)
    except BadInputError as error:
        return str(error)
    return ""


def _not_for_llvm(fields: Mapping[str, Any]) -> str:
    from tvm.target import codegen

    triple = fields.get("mtriple") or str(codegen.llvm_get_system_triple())
    machines = [str(name) for name in codegen.llvm_get_targets()]
    with _stderr():
        is_known = isinstance(triple, str) and codegen.llvm_is_valid_cpu("generic", triple)
    if not is_known:  # to ask LLVM more of it would crash
        return f"LLVM knows no machine for the mtriple {triple!r}{_nearest(str(triple).partition('-')[0], machines)}"
    cpu = fields.get("mcpu")
    if cpu is not None:
        with _stderr():
            is_known = isinstance(cpu, str) and codegen.llvm_is_valid_cpu(cpu, triple)  # by another name, too
        if not is_known:
            return f"LLVM knows no mcpu {cpu!r} for {triple}{_nearest(str(cpu), _cpus(triple))}"
    attributes = fields.get("mattr", [])
    for attribute in attributes if isinstance(attributes, list) else [attributes]:
        if not isinstance(attribute, str) or attribute[:1] not in ("+", "-"):
            return f"the mattr {attribute!r} begins neither with + nor with -"
        name = attribute[1:]
        if name not in _features(triple, cpu, f"+{name}"):
            everything = {one for each in _cpus(triple) for one in _features(triple, each)}
            return f"LLVM knows no feature {name!r} for {triple}{_nearest(name, everything)}"
    return ""


def cpu_is_of(cpu: str, triple: str | None) -> bool:
    """Whether LLVM knows a CPU of an architecture.

    Args:
        cpu: its name, such as "cortex-a72".
        triple: of the architecture; None is this machine's.
    """
    from tvm.target import codegen

    with _stderr():
        return bool(codegen.llvm_is_valid_cpu(cpu, triple or str(codegen.llvm_get_system_triple())))


def features_of(target: Target) -> frozenset[str]:
    """The instruction sets of a CPU target, as LLVM calls them; none where LLVM does not know its CPU."""
    return _features_of(target.text)


@lru_cache(maxsize=256)
def _features_of(text: str) -> frozenset[str]:
    from tvm.target import codegen

    fields = json.loads(text)
    triple, cpu = fields.get("mtriple") or str(codegen.llvm_get_system_triple()), fields.get("mcpu")
    if not isinstance(triple, str) or _not_for_llvm(fields):
        return frozenset()
    attributes = fields.get("mattr", [])
    return frozenset(_features(triple, cpu, *(attributes if isinstance(attributes, list) else [attributes])))


def _cpus(triple: str) -> list[str]:
    import tvm
    from tvm.target import codegen

    target = tvm.target.Target({"kind": "llvm", "mtriple": triple})
    with _stderr():
        return [str(name) for name in codegen.llvm_get_cpu_archlist(target)]


def _features(triple: str, cpu: str | None, *attributes: str) -> set[str]:
    """The features that a CPU has, and those that it is given and LLVM knows."""
    import tvm
    from tvm.target import codegen

    fields: dict[str, Any] = {"kind": "llvm", "mtriple": triple, "mattr": list(attributes)}
    if cpu is not None:
        fields["mcpu"] = cpu
    with _stderr():
        return {str(name) for name in codegen.llvm_get_cpu_features(tvm.target.Target(fields))}


def _complaint(target: Target) -> str:
    """What TVM and LLVM have to say of a target when code is to be generated for it; "" for nothing."""
    from tvm.target import codegen

    made = target_to_tvm(target)
    with _stderr() as said:
        try:
            codegen.llvm_get_vector_width(made)
        except Exception as error:
            return last_line(error)
    found = _COMPLAINT.search(said[0])
    return found[1].strip() if found else ""


@contextlib.contextmanager
def _stderr() -> Iterator[list[str]]:
    """Takes what native code writes to stderr meanwhile: the one value of the list, at the end."""
    said = [""]
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # there is none
        yield said
        return
    with tempfile.TemporaryFile() as taken:
        os.dup2(taken.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            taken.seek(0)
            said[0] = taken.read().decode(errors="replace")


def _nearest(name: str, known: Iterable[str]) -> str:
    """How a name may have been meant, as the end of a sentence."""
    found = difflib.get_close_matches(name.lower(), sorted(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
