"""Quantisation by one scale, written as arithmetic on elements: it then carries a layout on, and is fused.

Relax's own `quantize` and `dequantize` stop a layout: with channels last there are two transposes around each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from search.networks.expressions import constant_of, functions_of, operator_of

_NAMES = ("relax.quantize", "relax.dequantize")


@mutator
class _Plain(PyExprMutator):
    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        if operator_of(call) not in _NAMES:
            return call
        scale, zero = (self._scalar(argument) for argument in call.args[1:3])
        if scale is None or zero is None:
            return call
        kind = str(call.args[0].ty.dtype)
        if call.op.name == "relax.dequantize":
            if str(call.attrs.out_dtype) != "float32":
                return call
            value = self._made(relax.op.astype(call.args[0], "float32"))
            if zero:
                value = self._made(relax.op.subtract(value, relax.const(zero, "float32")))
            return relax.op.multiply(value, relax.const(scale, "float32"))
        made = str(call.attrs.out_dtype)
        if kind != "float32" or made not in ("int8", "uint8"):
            return call
        range_ = np.iinfo(made)
        value = self._made(relax.op.round(self._made(relax.op.divide(call.args[0], relax.const(scale, kind)))))
        if zero:
            value = self._made(relax.op.add(value, relax.const(zero, kind)))
        value = self._made(relax.op.maximum(value, relax.const(float(range_.min), kind)))
        value = self._made(relax.op.minimum(value, relax.const(float(range_.max), kind)))
        return relax.op.astype(value, made)

    def _made(self, value: Any) -> Any:
        return self.builder_.emit(value)

    def _scalar(self, value: Any) -> float | None:
        """A constant of one element; None of what is none."""
        if isinstance(value, relax.Var):
            value = self.lookup_binding(value)
        array = constant_of(value)
        return None if array is None or array.size != 1 else float(array.reshape(-1)[0])


@relax.transform.function_pass(opt_level=0)
class PlainQuantization:
    """Writes quantisation by one scale as arithmetic."""

    def transform_function(self, function: Any, mod: Any, context: Any) -> Any:
        """A function without it."""
        del context
        return _Plain(mod).visit_expr(function)


def is_quantized(mod: Any) -> bool:
    """Whether a network rounds to whole numbers: then a sum in another order may change a result by a step."""
    found = False

    def visit(node: Any) -> None:
        nonlocal found
        found = found or operator_of(node) in ("relax.round", "relax.quantize")

    for _, function in functions_of(mod):
        relax.analysis.post_order_visit(function, visit)
    return found
