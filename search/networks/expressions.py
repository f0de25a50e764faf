"""What passes over Relax ask of an expression (its operator, its value, its shape) and of a module (its functions)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import relax, tirx


def operator_of(value: Any) -> str:
    """The name of the operator that a call calls, such as "relax.add"; "" of what calls none."""
    return str(getattr(getattr(value, "op", None), "name", ""))


def constant_of(value: Any) -> np.ndarray[Any, Any] | None:
    """A constant's value; None of what is none. A variable has to be looked up before."""
    data = getattr(value, "value", None)
    return np.asarray(data.numpy()) if data is not None and hasattr(data, "numpy") else None


def extents_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a tensor; None where it is not known."""
    extents: Sequence[Any] = getattr(getattr(value.ty, "shape", None), "values", ())
    if not extents or not all(isinstance(one, int | tirx.IntImm) for one in extents):
        return None
    return tuple(int(one) for one in extents)


def functions_of(mod: Any) -> list[tuple[Any, Any]]:
    """The Relax functions of a module, each with the variable that names it."""
    return [(var, function) for var, function in mod.functions_items() if isinstance(function, relax.Function)]


def with_functions(mod: Any, builder: Any, rewritten: Callable[[Any], Any]) -> Any:
    """A module with other Relax functions.

    Args:
        mod: A tvm IRModule.
        builder: The block builder of a mutator of the module, to which programs are added.
        rewritten: Gives what takes the place of a function, by that mutator.
    """
    for var, function in functions_of(mod):
        builder.update_func(var, rewritten(function))
    return builder.get()
