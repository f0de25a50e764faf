"""The integers that dequantised weights were made of.

Folding makes floats of them, and layouts turn them; so what a network has is noted before, and found again by value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from tvm import relax

from search.networks.expressions import constant_of, operator_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """Weights as integers times scales."""

    integers: Array  # int8
    scale: Array  # float32, of as many dimensions, such that it can be multiplied

    @property
    def floats(self) -> Array:
        """What they are dequantised to."""
        return self.integers.astype(np.float32) * self.scale


def quantized_weights(mod: Any) -> list[Quantized]:
    """All weights of a network that are int8 without an offset, dequantised where they are used.

    Args:
        mod: A tvm IRModule with Relax functions, nothing of it folded.
    """
    found: list[Quantized] = []
    for _, function in mod.functions_items():
        if not isinstance(function, relax.Function):
            continue
        values = {binding.var: binding.value for block in function.body.blocks for binding in block.bindings}

        def visit(call: Any, values: dict[Any, Any] = values) -> None:
            if operator_of(call) != "relax.dequantize":
                return
            integers, scale, zero = (constant_of(values.get(argument, argument)) for argument in call.args)
            if integers is None or scale is None or zero is None or integers.dtype != np.int8 or zero.any():
                return
            shape = [1] * integers.ndim
            if scale.size > 1:
                shape[int(call.attrs.axis)] = scale.size
            found.append(Quantized(integers, scale.astype(np.float32).reshape(shape)))

        relax.analysis.post_order_visit(function, visit)
    return found


def integers_of(floats: Array, known: Iterable[Quantized]) -> tuple[Array, Array] | None:
    """The integers [..., filters] that weights in floats [..., filters] are, and the scale of each filter [filters].

    Args:
        floats: Weights as folding left them, in whatever layout.
        known: What the network had.

    Returns:
        None where they are none of these, or filters do not have a scale each.
    """
    for one in known:
        if sorted(one.integers.shape) != sorted(floats.shape):
            continue
        its = one.floats
        for axes in permutations(range(floats.ndim)):
            if not np.array_equal(its.transpose(axes), floats):  # shapes that differ are not equal
                continue
            scale = one.scale.transpose(axes)
            if scale.size not in (1, scale.shape[-1]):
                continue
            every = np.ascontiguousarray(np.broadcast_to(scale.reshape(-1), (floats.shape[-1],)))
            return np.ascontiguousarray(one.integers.transpose(axes)), every
    return None
