"""Puts products of integers in the place of convolutions and matrix products whose both sides were dequantised.

The sums are exact: whatever is done to them next, rounding included, may be fused with them and verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator
from tvm.target.codegen import target_has_features

from search.networks.expressions import constant_of, extents_of, operator_of, with_functions
from search.networks.integers.programs import FILTERS, NAME, Shape, convolution, packed
from search.networks.integers.weights import Array, Quantized, integers_of

_FEATURE = "avx512vnni"
_SHIFT = 128  # from signed bytes to those that the instruction takes


def has_instruction(target: Any) -> bool:
    """Whether a target has the instruction that this is for.

    Args:
        target: A tvm Target.
    """
    return target.kind.name == "llvm" and bool(target_has_features([_FEATURE], target))


def with_integers(mod: Any, known: Sequence[Quantized]) -> Any:
    """A module in which products of dequantised tensors are computed as integers.

    Args:
        mod: A tvm IRModule with Relax functions of operators, channels last, quantisation as plain arithmetic;
            programs are added to it.
        known: Its quantised weights.
    """
    if not known:
        return mod
    found = _Rewriter(mod, known)
    tidied = [
        relax.transform.CanonicalizeBindings(),
        relax.transform.EliminateCommonSubexpr(),  # a tensor may be quantised for each of its users
        relax.transform.DeadCodeElimination(),
    ]
    return tvm.ir.transform.Sequential(tidied)(with_functions(mod, found.builder, found.visit_expr))


@dataclass(frozen=True, slots=True, eq=False)
class _Levels:
    """A dequantised tensor: (integers - zero) * scale."""

    integers: Any
    zero: int
    scale: float


@mutator
class _Rewriter(PyExprMutator):
    def __init__(self, mod: Any, known: Sequence[Quantized]) -> None:
        super().__init__(mod)
        self._known = known

    @property
    def builder(self) -> Any:
        """What the new programs are in."""
        return self.builder_

    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        name = operator_of(call)
        if name not in ("relax.nn.conv2d", "relax.matmul"):
            return call
        levels, weights = self._levels(call.args[0]), self._constant(call.args[1])
        integers = None if levels is None or weights is None else integers_of(weights, self._known)
        if levels is None or integers is None:
            return call
        made = _shape_of_conv(call) if name == "relax.nn.conv2d" else _shape_of_product(call)
        return call if made is None else self._product(call, levels, *integers, made)

    def _product(self, call: Any, levels: _Levels, weights: Array, scale: Array, shape: Shape) -> Any:
        """The product of integers, and what makes floats of it again."""
        weights = weights.reshape(*shape.kernel, shape.channels, -1)
        filters = weights.shape[-1]
        value, zero = self._bytes(levels)
        value = self._as(value, (shape.images, shape.height, shape.width, shape.channels))
        program = self.builder_.add_func(convolution(shape, zero), NAME)
        filled = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, shape.filters - filters)))
        arguments = [value, relax.const(packed(filled), "int8")]
        sums = self._made(relax.call_tir(program, arguments, relax.TensorType(shape.out, "int32")))
        if filters < shape.filters:
            sums = self._made(relax.op.strided_slice(sums, axes=[3], begin=[0], end=[filters]))
        too_much = zero * weights.astype(np.int64).sum(axis=(0, 1, 2))
        if too_much.any():
            sums = self._made(relax.op.subtract(sums, relax.const(too_much.astype(np.int32), "int32")))
        floats = self._made(relax.op.astype(sums, "float32"))
        floats = self._made(relax.op.multiply(floats, relax.const(np.float32(levels.scale) * scale, "float32")))
        return self._as(floats, extents_of(call) or ())

    def _bytes(self, levels: _Levels) -> tuple[Any, int]:
        """A tensor's integers as unsigned bytes, and which of them stands for 0."""
        if str(levels.integers.ty.dtype) == "uint8":
            return levels.integers, levels.zero
        wide = self._made(relax.op.astype(levels.integers, "int32"))
        shifted = self._made(relax.op.add(wide, relax.const(_SHIFT, "int32")))
        return self._made(relax.op.astype(shifted, "uint8")), levels.zero + _SHIFT

    def _levels(self, value: Any) -> _Levels | None:
        """What a tensor was dequantised of; None of what was not, by `search.networks.quantization`."""
        call = self._bound(value)
        if operator_of(call) == "relax.permute_dims":  # where the network's layout begins
            levels = self._levels(call.args[0])
            if levels is None:
                return None
            return replace(levels, integers=self._made(relax.op.permute_dims(levels.integers, call.attrs.axes)))
        if operator_of(call) != "relax.multiply":
            return None
        scale, call = self._constant(call.args[1]), self._bound(call.args[0])
        zero: Array | None = np.zeros(1)
        if operator_of(call) == "relax.subtract":
            zero, call = self._constant(call.args[1]), self._bound(call.args[0])
        if scale is None or scale.size != 1 or zero is None or zero.size != 1 or operator_of(call) != "relax.astype":
            return None
        integers = call.args[0]
        if str(integers.ty.dtype) not in ("int8", "uint8"):
            return None
        return _Levels(integers, round(float(zero.reshape(-1)[0])), float(scale.reshape(-1)[0]))

    def _bound(self, value: Any) -> Any:
        bound = self.lookup_binding(value) if isinstance(value, relax.Var) else None
        return value if bound is None else bound

    def _constant(self, value: Any) -> Array | None:
        return constant_of(self._bound(value))

    def _as(self, value: Any, shape: tuple[int, ...]) -> Any:
        """A tensor in another shape."""
        same = tuple(int(extent) for extent in value.ty.shape.values) == shape
        return value if same else self._made(relax.op.reshape(value, shape))

    def _made(self, value: Any) -> Any:
        return self.builder_.emit(value)


def _shape_of_conv(call: Any) -> Shape | None:
    """The extents of a convolution; None of one that is not for this."""
    attrs, taken, weights = call.attrs, extents_of(call.args[0]), extents_of(call.args[1])
    is_plain = (
        attrs.groups == 1
        and [*attrs.dilation] == [1, 1]
        and (attrs.data_layout, attrs.kernel_layout, attrs.out_layout) == ("NHWC", "HWIO", "NHWC")
    )
    if not is_plain or taken is None or weights is None or not _fills(weights[3]):
        return None
    top, left, bottom, right = map(int, attrs.padding)
    kernel, strides = (weights[0], weights[1]), (int(attrs.strides[0]), int(attrs.strides[1]))
    images, height, width, channels = taken
    padding = (top, left, bottom, right)
    return Shape(images, height, width, channels, _filled(weights[3]), kernel, strides, padding)


def _shape_of_product(call: Any) -> Shape | None:
    """The extents of a product of rows with a matrix, as a convolution: its image is one column."""
    taken, weights = extents_of(call.args[0]), extents_of(call.args[1])
    if taken is None or weights is None or len(weights) != 2 or len(taken) < 2:
        return None
    if not _fills(weights[1]):
        return None
    rows = int(np.prod(taken[:-1]))
    return Shape(1, rows, 1, weights[0], _filled(weights[1]))


def _filled(filters: int) -> int:
    """How many filters there are, with those of zeros that fill up the last vector."""
    return -(-filters // FILTERS) * FILTERS


def _fills(filters: int) -> bool:
    """Whether zeros are not the most of what filters are filled up to: integers would not be worth it."""
    return 2 * filters >= _filled(filters)
