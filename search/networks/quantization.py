"""Quantisation by one scale, written as arithmetic on elements: it then carries a layout on, and is fused.

Relax's own `quantize` and `dequantize` stop a layout: with channels last there are two transposes around each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax, topi
from tvm.relax.expr_functor import PyExprMutator, mutator

_OPAQUE = 8  # the operator pattern of what nothing is fused with
_NAMES = ("relax.quantize", "relax.dequantize")
_ROUND = "relax.round"
_OF_ELEMENTS = frozenset(
    {"relax.add", "relax.subtract", "relax.multiply", "relax.divide", "relax.maximum", "relax.minimum", "relax.power"}
    | {"relax.negative", "relax.abs", "relax.sqrt", "relax.rsqrt", "relax.clip", "relax.astype", "relax.where"}
    | {"relax.round", "relax.floor", "relax.ceil", "relax.nn.relu", "relax.nn.leakyrelu"}
    | {"relax.permute_dims", "relax.reshape", "relax.expand_dims", "relax.squeeze"}
)


@mutator
class _Plain(PyExprMutator):
    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        if getattr(call.op, "name", "") not in _NAMES:
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
        data = getattr(value, "value", None)
        array = data.numpy() if data is not None and hasattr(data, "numpy") else None
        return None if array is None or array.size != 1 else float(array.reshape(-1)[0])


@relax.transform.function_pass(opt_level=0)
class PlainQuantization:
    """Writes quantisation by one scale as arithmetic."""

    def transform_function(self, function: Any, mod: Any, context: Any) -> Any:
        """A function without it."""
        del context
        return _Plain(mod).visit_expr(function)


@mutator
class _Apart(PyExprMutator):
    def __init__(self, mod: Any, rounding: set[Any]) -> None:
        super().__init__(mod)
        self._rounding = rounding

    def visit_call_(self, call: Any) -> Any:
        is_apart = call in self._rounding
        call = super().visit_call_(call)
        if not is_apart:
            return call
        made = self.builder_.call_te(topi.round, call.args[0], primfunc_name_hint="round")
        program = self.builder_.get()[made.args[0]]
        self.builder_.update_func(made.args[0], program.with_attr("op_pattern", _OPAQUE))
        return made

    @property
    def builder(self) -> Any:
        """What the new programs are in."""
        return self.builder_


def round_apart(mod: Any) -> Any:
    """A module in which nothing is rounded by the program that sums up floats.

    A float product and its rounding in one program could not be verified: sums in another order may differ by a whole
    step. Sums of integers are exact.

    Args:
        mod: A tvm IRModule with Relax functions; programs are added to it.
    """
    for var, function in mod.functions_items():
        if isinstance(function, relax.Function):
            mutator = _Apart(mod, _inexact(function))
            mutator.builder.update_func(var, mutator.visit_expr(function))
            mod = mutator.builder.get()
    return mod


def _inexact(function: Any) -> set[Any]:
    """The calls that round what may be fused with a sum of floats."""
    bindings = [one for block in getattr(function.body, "blocks", ()) for one in block.bindings]
    values = {one.var: one.value for one in bindings if isinstance(one, relax.VarBinding)}
    users: dict[Any, list[Any]] = {}
    for var, value in values.items():
        for argument in _given(value):
            users.setdefault(argument, []).append(var)
    return {value for var, value in values.items() if _name(value) == _ROUND and _is_after_sum(var, values, users)}


def _is_after_sum(rounded: Any, values: dict[Any, Any], users: dict[Any, list[Any]]) -> bool:
    """Whether a sum of floats leads here through elements alone, and to nothing but elements elsewhere."""
    seen, left = set(), [rounded]
    while left:
        var = left.pop()
        for argument in _given(values[var]):
            if argument in seen or argument not in values:
                continue
            seen.add(argument)
            if _is_of_elements(values[argument]):
                left.append(argument)
            elif str(argument.ty.dtype).startswith("float") and not _is_needed_elsewhere(
                argument, rounded, values, users
            ):
                return True
    return False


def _is_needed_elsewhere(var: Any, rounded: Any, values: dict[Any, Any], users: dict[Any, list[Any]]) -> bool:
    """Whether a value goes, around where it is rounded, into what it cannot be fused with."""
    seen, left = {rounded}, [var]
    while left:
        for user in users.get(left.pop(), ()):
            if user in seen:
                continue
            seen.add(user)
            if not _is_of_elements(values[user]):
                return True
            left.append(user)
    return False


def _is_of_elements(call: Any) -> bool:
    """Whether what computes a value may be fused with what comes before and after; programs are taken to."""
    return _name(call) in _OF_ELEMENTS or (_name(call) == "relax.call_tir" and not _is_sum(call))


def _is_sum(call: Any) -> bool:
    return str(call.args[0].name_hint).startswith("int8_conv")


def _given(call: Any) -> list[Any]:
    """The variables that a call is given."""
    found: list[Any] = []
    relax.analysis.post_order_visit(call, lambda one: found.append(one) if isinstance(one, relax.Var) else None)
    return found


def _name(call: Any) -> str:
    return str(getattr(getattr(call, "op", None), "name", ""))


def is_quantized(mod: Any) -> bool:
    """Whether a network rounds to whole numbers: then a sum in another order may change a result by a step."""
    found = False

    def visit(node: Any) -> None:
        nonlocal found
        found = found or getattr(getattr(node, "op", None), "name", "") in ("relax.round", "relax.quantize")

    for _, function in mod.functions_items():
        if isinstance(function, relax.Function):
            relax.analysis.post_order_visit(function, visit)
    return found
