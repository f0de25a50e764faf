"""Exponentials and their like as polynomials, which vectors compute; the C library does them number by number.

Cephes' and Eigen's approximations, as TOPI has them: exp is off by 1e-6 of itself, erf and tanh by 4e-7 of their range.
Programs of other types than float32 stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import topi
from tvm.relax.expr_functor import PyExprMutator, mutator

from search.networks.expressions import operator_of, with_functions


def _sigmoid(x: Any) -> Any:
    half = topi.multiply(x, 0.5)
    return topi.add(topi.multiply(topi.fast_tanh(half), 0.5), 0.5)


def _silu(x: Any) -> Any:
    return topi.multiply(x, _sigmoid(x))


def _gelu(x: Any) -> Any:
    erf = topi.fast_erf(topi.multiply(x, 0.5**0.5))
    return topi.multiply(topi.multiply(x, 0.5), topi.add(erf, 1.0))


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "relax.exp": topi.fast_exp,
    "relax.erf": topi.fast_erf,
    "relax.tanh": topi.fast_tanh,
    "relax.sigmoid": _sigmoid,
    "relax.nn.silu": _silu,
    "relax.nn.gelu": _gelu,
}


@mutator
class _Vectorizer(PyExprMutator):
    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        name = operator_of(call)
        if name != "relax.nn.softmax" and name not in _PLAIN:
            return call
        if str(getattr(call.args[0].ty, "dtype", "")) != "float32":
            return call
        if name == "relax.nn.softmax":
            return self.builder_.call_te(topi.nn.fast_softmax, call.args[0], call.attrs.axis)
        return self.builder_.call_te(_PLAIN[name], call.args[0], primfunc_name_hint=name.rpartition(".")[2])

    @property
    def builder(self) -> Any:
        """What the new programs are in."""
        return self.builder_


def vectorize_math(mod: Any) -> Any:
    """A module whose exponentials and their like are programs of polynomials.

    Args:
        mod: A tvm IRModule with Relax functions; programs are added to it.
    """
    found = _Vectorizer(mod)
    return with_functions(mod, found.builder, found.visit_expr)
