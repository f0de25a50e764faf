"""Indices that count from the end. TVM's `take` reads before the beginning with them, and gives whatever lies there."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator


@mutator
class _Mender(PyExprMutator):
    def visit_call_(self, call: Any) -> Any:
        call = super().visit_call_(call)
        if getattr(call.op, "name", "") != "relax.take" or call.attrs.axis is None:
            return call
        data, indices = call.args[0], call.args[1]
        if isinstance(indices, relax.Var):
            indices = self.lookup_binding(indices)
        value = getattr(indices, "value", None)
        if value is None or not hasattr(value, "numpy"):
            return call
        array = value.numpy()
        if not (array < 0).any():
            return call
        axis = int(call.attrs.axis)
        extent = int(data.ty.shape.values[axis])
        counted = relax.const(np.where(array < 0, array + extent, array).astype(array.dtype), str(array.dtype))
        return relax.op.take(data, counted, axis=axis, mode=str(call.attrs.mode))


@relax.transform.function_pass(opt_level=0)
class _MendTakes:
    def transform_function(self, function: Any, mod: Any, context: Any) -> Any:
        del context
        return _Mender(mod).visit_expr(function)


def mend_takes(mod: Any) -> Any:
    """A module in which constant indices count from the beginning.

    Args:
        mod: A tvm IRModule with Relax functions.
    """
    mended: Any = _MendTakes()
    return mended(mod)
