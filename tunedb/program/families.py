"""What kind of operator a program is, and how large: by these, like workloads are found and held out together."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tunedb.program.signature import Block, Signature

_ACCUMULATE = re.compile(r"^(b\d+)\[(?P<out>[^=]*)\]=Add\(\1\[(?P=out)\],(?P<term>.*)\)$")
_MAXIMUM = re.compile(r"^(b\d+\[[^=]*\])=Max\(\1,")
_LOAD = re.compile(r"b\d+\[([^\[\]]*)\]")
_MOST_DIGITS = 18  # an int64 takes all of so many
_AXIS = re.compile(r"v\d+")
_PLAIN = re.compile(r"^v\d+$")


@dataclass(frozen=True, slots=True)
class Description:
    """What a program seems to compute."""

    family: str  # operator of the heaviest block: "conv2d"
    epilogue: str  # what is fused behind it: "relu"; "" for nothing that has a name
    extents: tuple[int, ...]  # of the heaviest block's axes; () where one is symbolic
    name: str  # for people: "conv2d+relu 1x112x112x64x7x7x3 float32"


def described(signature: Signature) -> Description:
    """What the program seems to compute, the extents of its heaviest block, and the dtype of what it returns."""
    anchor = max(signature.blocks, key=_weight)
    axes = [axis[1:] for axis in anchor.axes] or ["1"]
    dtypes = [buffer.split(" ")[-2] for buffer in signature.buffers if buffer.endswith("param")]
    family, epilogue = _operator(signature, anchor), _epilogue(signature, anchor)
    packed = " packed" if any(buffer.endswith("packed") for buffer in signature.buffers) else ""
    return Description(
        family,
        epilogue,
        _extents(axes),
        f"{fused(family, epilogue)} {'x'.join(axes)} {dtypes[-1] if dtypes else ''}{packed}".strip(),
    )


def fused(family: str, epilogue: str) -> str:
    """The operator with what is fused behind it: "conv2d+relu". These are held out together."""
    return f"{family}+{epilogue}" if epilogue else family


def parts_of_words(words: Sequence[str]) -> tuple[str, str, tuple[int, ...]]:
    """Family, epilogue and extents of a workload of which no more is known than what a tuner calls it.

    Args:
        words: the words of a task of AutoTVM or Ansor, the operator first, or of the name of a workload that schema
            version 1 kept: ["conv2d+relu", "1x112x112x64x7x7x3", "float32"].
    """
    family, _, epilogue = (words[0] if words else "").partition("+")
    extents = next((word for word in words[1:] if re.fullmatch(r"\d+(x\d+)*", word)), "")
    numbers = _extents(extents.split("x")) if extents and family != "unknown" else ()
    return family or "unknown", epilogue, numbers


def _extents(texts: Sequence[str]) -> tuple[int, ...]:
    """Extents as numbers; none at all where one is symbolic, or larger than any memory."""
    if not all(text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS for text in texts):
        return ()
    return tuple(map(int, texts))


def _weight(block: Block) -> tuple[int, bool, float]:
    """Reductions of products before other reductions, before the rest; among equals the largest domain."""
    reduces = any(axis.startswith("R") for axis in block.axes)
    multiplies = reduces and "Mul(" in block.body
    extent = math.prod(int(axis[1:]) for axis in block.axes if axis[1:].isdigit())
    return (1 if multiplies else 0, reduces, extent)


def _epilogue(signature: Signature, anchor: Block) -> str:
    """What is fused behind the anchor, as far as it has a name."""
    after = signature.blocks[signature.blocks.index(anchor) + 1 :]
    return "relu" if any(re.search(r"Max\(b\d+\[[^\]]*\],0\.0\)$", block.body) for block in after) else ""


def _operator(signature: Signature, anchor: Block) -> str:
    bodies = [block.body for block in signature.blocks]
    if any("exp:" in body for body in bodies) and any(_MAXIMUM.match(body) for body in bodies):
        return "softmax"
    if not any(axis.startswith("R") for axis in anchor.axes):
        return _plain(anchor.hint) or "elementwise"
    accumulated = _ACCUMULATE.match(anchor.body)
    if accumulated is None:
        windows = sum("+" in index for load in _LOAD.findall(anchor.body) for index in load.split(","))
        if "=Max(" in anchor.body:
            return f"max_pool{windows}d" if windows else "max"
        return "min" if "=Min(" in anchor.body else _plain(anchor.hint) or "reduce"
    operands = [load.split(",") for load in _LOAD.findall(accumulated["term"])]
    windows = max((sum(len(_AXIS.findall(index)) > 1 for index in operand[:4]) for operand in operands), default=0)
    if "Mul(" not in accumulated["term"]:
        return f"sum_pool{windows}d" if windows else "sum"
    if len(operands) == 2 and operands[0] == operands[1]:
        return "norm"
    if windows:
        return _convolution(operands, anchor, accumulated["out"].split(","))
    batched = sum(axis.startswith("S") for axis in anchor.axes)
    return "matmul" if batched >= 2 else "matvec"


def _convolution(operands: list[list[str]], anchor: Block, out: list[str]) -> str:
    windowed, weights = operands[0], operands[-1]
    reduced = {f"v{number}" for number, axis in enumerate(anchor.axes) if axis.startswith("R")}
    dims = sum(1 for index in windowed if set(_AXIS.findall(index)) & reduced and set(_AXIS.findall(index)) - reduced)
    dims = max(1, min(dims, 3))
    channels = [index for index in out if _PLAIN.match(index) and index in windowed and index in weights]
    contracted = [index for index in windowed if index in reduced and index in weights]
    if channels and not contracted:
        return f"depthwise_conv{dims}d"
    return f"conv{dims}d"


def _plain(hint: str) -> str:
    """TVM's block name without its prefix, if it is fit to be shown."""
    name = hint.removeprefix("T_")[:40]
    return name if re.fullmatch(r"[A-Za-z]\w{2,}", name) else ""
