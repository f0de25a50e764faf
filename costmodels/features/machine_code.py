"""Features of the machine code that LLVM makes of a candidate: what its loops alone do not foretell.

Whether vectors are as wide as the registers, whether sums stay in registers or are spilled to the stack, how much is
shuffled and computed number by number: counts of instructions by class, over the whole function and in its hot loop,
which is the innermost one with the most arithmetic. x86 only, from LLVM's assembly in AT&T syntax. A candidate must be
compiled for them, at tenths of a second, so that they serve where it is compiled anyway: before it is measured.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.family import Needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

FEATURE_VERSION = "machine_code-1"
"""Changes whenever `describe` gives other numbers."""

NEEDS = Needs.BINARY
TRIAL_TIMEOUT_SECS = 300.0  # one takes tenths of a second, and many where loops are unrolled without end

_VECTOR_CLASSES = (  # by how the mnemonic begins after its "v", the first that fits
    (("fmadd", "fmsub", "fnmadd", "fnmsub", "pdp", "pmadd"), "fused"),
    (("add", "sub", "max", "min", "padd", "psub", "pmax", "pmin"), "added"),
    (("mul", "div", "sqrt", "pmul"), "multiplied"),
    (("broadcast", "pbroadcast"), "broadcast"),
    (("gather", "scatter", "pgather", "pscatter"), "gathered"),
    (("perm", "shuf", "pshuf", "unpck", "punpck", "insert", "pinsert", "extract", "pextract"), "shuffled"),
    (("blend", "pblend", "align", "palign", "movddup", "movshdup", "movsldup", "movhl", "movlh"), "shuffled"),
)
_OPERATIONS = {"fused": 2, "added": 1, "multiplied": 1}  # of a lane
_LANES = {"zmm": 16, "ymm": 8, "xmm": 4, "single": 1}  # of 32 bits
_CLASSES = (
    *dict.fromkeys(name for _, name in _VECTOR_CLASSES),
    *("loads", "stores", "reloads", "spills", "from_memory", "other_vector", "scalar", "branches", "calls"),
    *_LANES,
)
_COUNTS = (*_CLASSES, "instructions", "operations")
_FULL = 32.0  # operations of the widest instruction: ratios are to as many
_LABEL = re.compile(r"([\w.$]+):")
_Instruction = tuple[str, str]  # mnemonic and operands

_NAMES = (
    *("loops", "innermost_loops"),
    *(f"{part}_{name}" for part in ("all", "hot") for name in _COUNTS),
    *(f"{part}_{name}_per_operation" for part in ("all", "hot") for name in _COUNTS[:-1]),
)


def names() -> tuple[str, ...]:
    """Names of the columns of `extract`, in order."""
    return tuple(f"code_{name}" for name in _NAMES)


def extract(given: Sequence[Any], context: Any) -> NDArray[np.float64]:
    """Compiles candidates and counts the instructions of each.

    Args:
        given: n of `tvm.s_tir.Schedule`, after the postprocessors.
        context: the `TuneContext` of their workload; they are compiled for its target.

    Returns:
        Features [n, d]. The row of a candidate that does not compile, or of another kind of processor, is NaN
        throughout.
    """
    from tvm.s_tir.meta_schedule.builder.local_builder import default_build

    rows = np.full((len(given), len(_NAMES)), np.nan)
    for place, schedule in enumerate(given):
        try:
            rows[place] = describe(default_build(schedule.mod, context.target, None).inspect_source("asm"))
        except Exception:  # whatever TVM's passes and LLVM make of it
            _log.debug("a candidate does not compile", exc_info=True)
    return rows


def describe(assembly: str) -> NDArray[np.float64]:
    """The numbers [d] of a program's assembly: counts as log2(1 + n), and ratios to 32 operations.

    Raises:
        ValueError: it has no x86 instruction.
    """
    instructions, labels = _read(assembly)
    if not any("%" in operands for _, operands in instructions):
        raise ValueError("the assembly is not that of x86")
    loops = {
        (labels[operands], place + 1)
        for place, (mnemonic, operands) in enumerate(instructions)
        if mnemonic.startswith("j") and labels.get(operands, place + 1) <= place
    }
    innermost = [loop for loop in loops if not any(_holds(loop, other) for other in loops)]
    every = _counted(instructions)
    bodies = [_counted(instructions[begin:end]) for begin, end in sorted(innermost)]
    hot = max(bodies, key=lambda body: (body["operations"], -body["instructions"]), default=every)
    parts = (every, hot)
    return np.asarray(
        [
            *np.log2([1.0 + len(loops), 1.0 + len(innermost)]),
            *np.log2([1.0 + part[name] for part in parts for name in _COUNTS]),
            *(_FULL * part[name] / max(1, part["operations"]) for part in parts for name in _COUNTS[:-1]),
        ]
    )


def _read(assembly: str) -> tuple[list[_Instruction], dict[str, int]]:
    """Instructions in order, and the place of the one that follows each label."""
    instructions: list[_Instruction] = []
    labels: dict[str, int] = {}
    for line in assembly.splitlines():
        text = line.partition("#")[0].strip()
        if label := _LABEL.match(text):
            labels[label[1]] = len(instructions)
        elif text and not text.startswith("."):
            mnemonic, _, operands = text.partition("\t")
            instructions.append((mnemonic, operands.strip()))
    return instructions, labels


def _holds(loop: tuple[int, int], other: tuple[int, int]) -> bool:
    return other != loop and loop[0] <= other[0] and other[1] <= loop[1]


def _counted(instructions: Sequence[_Instruction]) -> Counter[str]:
    found: Counter[str] = Counter(instructions=len(instructions))
    for mnemonic, operands in instructions:
        width, kinds = _classes(mnemonic, operands)
        found.update(kinds)
        if width:
            found[width] += 1
            found["operations"] += _LANES[width] * sum(_OPERATIONS.get(kind, 0) for kind in kinds)
    return found


def _classes(mnemonic: str, operands: str) -> tuple[str | None, list[str]]:
    """How wide the vectors are that an instruction works on, None for none, and what it does."""
    width = next((width for width in _LANES if width in operands), None)
    if width is None:
        return None, ["branches" if mnemonic.startswith("j") else "calls" if mnemonic.startswith("call") else "scalar"]
    bare = mnemonic.removeprefix("v")
    kind = next((kind for begins, kind in _VECTOR_CLASSES if bare.startswith(begins)), None)
    if bare.endswith(("ss", "sd")) and not bare.startswith("p") and kind != "broadcast":
        width = "single"
    is_on_stack, is_memory = "(%rsp" in operands, "(" in operands
    if kind is None and bare.startswith("mov") and is_memory:
        is_store = operands.endswith(")")
        return width, [("spills" if is_store else "reloads") if is_on_stack else ("stores" if is_store else "loads")]
    kinds = [kind or "other_vector"]
    if is_memory:
        kinds.append("reloads" if is_on_stack else "from_memory")
    return width, kinds
