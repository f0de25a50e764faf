"""Keeps rounding out of programs that sum up floats: it is verified where it can be."""

from __future__ import annotations

from typing import Any

from tvm import relax, topi
from tvm.relax.expr_functor import PyExprMutator, mutator

from search.networks.expressions import operator_of, with_functions
from search.networks.integers.programs import NAME

_OPAQUE = 8  # the operator pattern of what nothing is fused with
_ROUND = "relax.round"
_OF_ELEMENTS = frozenset(
    {"relax.add", "relax.subtract", "relax.multiply", "relax.divide", "relax.maximum", "relax.minimum", "relax.power"}
    | {"relax.negative", "relax.abs", "relax.sqrt", "relax.rsqrt", "relax.clip", "relax.astype", "relax.where"}
    | {"relax.round", "relax.floor", "relax.ceil", "relax.nn.relu", "relax.nn.leakyrelu"}
    | {"relax.permute_dims", "relax.reshape", "relax.expand_dims", "relax.squeeze"}
)


@mutator
class _Apart(PyExprMutator):
    def __init__(self, mod: Any) -> None:
        super().__init__(mod)
        self._rounding: set[Any] = set()

    def rewritten(self, function: Any) -> Any:
        """What takes the place of a function of the module."""
        self._rounding = _inexact(function)
        return self.visit_expr(function)

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
    found = _Apart(mod)
    return with_functions(mod, found.builder, found.rewritten)


def _inexact(function: Any) -> set[Any]:
    """The calls that round what may be fused with a sum of floats."""
    bindings = [one for block in getattr(function.body, "blocks", ()) for one in block.bindings]
    values = {one.var: one.value for one in bindings if isinstance(one, relax.VarBinding)}
    users: dict[Any, list[Any]] = {}
    for var, value in values.items():
        for argument in _given(value):
            users.setdefault(argument, []).append(var)
    return {
        value for var, value in values.items() if operator_of(value) == _ROUND and _is_after_sum(var, values, users)
    }


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
    return operator_of(call) in _OF_ELEMENTS or (operator_of(call) == "relax.call_tir" and not _is_sum(call))


def _is_sum(call: Any) -> bool:
    return str(call.args[0].name_hint).startswith(NAME)


def _given(call: Any) -> list[Any]:
    """The variables that a call is given."""
    found: list[Any] = []
    relax.analysis.post_order_visit(call, lambda one: found.append(one) if isinstance(one, relax.Var) else None)
    return found
