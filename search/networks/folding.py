"""Arithmetic on constants, done at once with NumPy. Relax's own `FoldConstant` compiles a program for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from search.networks.expressions import constant_of, operator_of

_NUMPY: dict[str, Callable[..., Any]] = {
    "relax.add": np.add,
    "relax.subtract": np.subtract,
    "relax.multiply": np.multiply,
    "relax.divide": np.divide,
    "relax.sqrt": np.sqrt,
    "relax.negative": np.negative,
}
_FLOATS = ("float32", "float64")


@mutator
class _Folder(PyExprMutator):
    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        values = [self._constant(argument) for argument in call.args]
        if not values or values[0] is None:
            return call
        made = _folded(operator_of(call), call, values)
        return call if made is None else relax.const(np.asarray(made, order="C"), str(call.ty.dtype))

    def _constant(self, value: Any) -> Any:
        """A constant's value as an array; None of what is none."""
        if isinstance(value, relax.Var):
            value = self.lookup_binding(value)
        return constant_of(value)


def _folded(name: str, call: Any, values: list[Any]) -> Any:
    """What an operator makes of constants; None where it is left to Relax."""
    if name == "relax.permute_dims":
        axes = call.attrs.axes
        return values[0].transpose(None if axes is None else [int(axis) for axis in axes])
    if name == "relax.dequantize" and all(value is not None for value in values):
        return _dequantized(call, *values)
    if name in ("relax.reshape", "relax.expand_dims", "relax.squeeze"):
        return values[0].reshape([int(extent) for extent in call.ty.shape.values])
    if name in _NUMPY and all(value is not None and str(value.dtype) in _FLOATS for value in values):
        return _NUMPY[name](*values)
    return None


def _dequantized(call: Any, value: Any, scale: Any, zero: Any) -> Any:
    if str(call.attrs.out_dtype) != "float32":
        return None
    if scale.size > 1:  # one for each of an axis
        shape = [1] * value.ndim
        shape[int(call.attrs.axis)] = scale.size
        scale = scale.reshape(shape)
        zero = zero.reshape(shape) if zero.size > 1 else zero
    return (value.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)


@relax.transform.function_pass(opt_level=0)
class FoldConstants:
    """Folds what moves constants about, and the arithmetic that folds a batch norm into its convolution."""

    def transform_function(self, function: Any, mod: Any, context: Any) -> Any:
        """A function without them."""
        del context
        return _Folder(mod).visit_expr(function)
