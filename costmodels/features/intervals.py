"""Interval arithmetic of index expressions, for all depths of a loop nest at once.

An interval is a pair of arrays [depths]: the least and the largest value that an expression takes when the loops
inside that depth run and those outside stand at zero. Bounds may be loose where two operands depend on each other.

Variables go by their hash, the address of TVM's object: to compare them would make expressions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Interval = tuple[NDArray[np.float64], NDArray[np.float64]]

_ZERO = (0.0, 0.0)


def interval(expression: Any, of_variable: Mapping[int, Interval], depths: int) -> Interval:
    """The interval of an expression.

    Args:
        expression: a TVM index expression; what is not understood (a load, a call) counts as zero.
        of_variable: intervals [depths] of variables; others count as zero.
        depths: length of the arrays.
    """
    low, high = _interval(expression, of_variable)
    if isinstance(low, float):
        return np.full(depths, low), np.full(depths, high)
    return low, high


def _interval(expression: Any, of_variable: Mapping[int, Interval]) -> tuple[Any, Any]:
    """The same; of an expression without variables two numbers, which stand for all depths."""
    kind = type(expression).__name__
    if kind == "Var":
        return of_variable.get(hash(expression), _ZERO)
    if kind == "IntImm":
        value = float(expression.value)
        return value, value
    if kind == "Cast":
        return _interval(expression.value, of_variable)
    if kind == "Select":
        first = _interval(expression.true_value, of_variable)
        second = _interval(expression.false_value, of_variable)
        return _least(first[0], second[0]), _most(first[1], second[1])
    combine = _COMBINE.get(kind)
    if combine is None:
        return _ZERO
    made: tuple[Any, Any] = combine(_interval(expression.a, of_variable), _interval(expression.b, of_variable))
    return made


def holds(condition: Any, of_variable: Mapping[int, Interval], points: int) -> NDArray[np.bool_]:
    """Where a condition holds.

    Args:
        condition: a TVM expression of comparisons; what is not understood holds everywhere.
        of_variable: values [points] of variables, as intervals that begin where they end; others count as zero.
        points: length of the arrays.

    Returns:
        Array [points].
    """
    kind = type(condition).__name__
    if kind == "Not":
        return ~holds(condition.a, of_variable, points)
    if kind in ("And", "Or"):
        first, second = holds(condition.a, of_variable, points), holds(condition.b, of_variable, points)
        return first & second if kind == "And" else first | second
    if kind == "Call" and len(condition.args) == 1:  # `likely` and the like
        return holds(condition.args[0], of_variable, points)
    compare = _COMPARE.get(kind)
    if compare is None:
        return np.ones(points, dtype=np.bool_)
    first_value, second_value = (interval(side, of_variable, points)[0] for side in (condition.a, condition.b))
    return np.asarray(compare(first_value, second_value), dtype=np.bool_)


def _least(a: Any, b: Any) -> Any:
    return min(a, b) if isinstance(a, float) and isinstance(b, float) else np.minimum(a, b)


def _most(a: Any, b: Any) -> Any:
    return max(a, b) if isinstance(a, float) and isinstance(b, float) else np.maximum(a, b)


def _times(a: Any, b: Any) -> Any:
    if isinstance(a[0], float):
        a, b = b, a
    if isinstance(b[0], float) and b[0] == b[1]:  # by a number, as indices of tiles are
        return (a[0] * b[0], a[1] * b[0]) if b[0] >= 0 else (a[1] * b[0], a[0] * b[0])
    corners = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]]
    return functools.reduce(_least, corners), functools.reduce(_most, corners)


def _divided(value: Any, divisor: Any) -> Any:
    """The quotient, rounded down."""
    return (
        float(np.floor(value / divisor))
        if isinstance(value, float) and isinstance(divisor, float)
        else np.floor(value / divisor)
    )


def _floor_div(a: Any, b: Any) -> Any:
    divisor = _most(b[0], 1.0)
    return _divided(a[0], divisor), _divided(a[1], divisor)


def _floor_mod(a: Any, b: Any) -> Any:
    divisor = _most(b[0], 1.0)
    wraps = _divided(a[0], divisor) != _divided(a[1], divisor)
    if isinstance(wraps, bool):
        return (0.0, divisor - 1) if wraps else (a[0] % divisor, a[1] % divisor)
    return np.where(wraps, 0.0, a[0] % divisor), np.where(wraps, divisor - 1, a[1] % divisor)


_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "Sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "Mul": _times,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "Min": lambda a, b: (_least(a[0], b[0]), _least(a[1], b[1])),
    "Max": lambda a, b: (_most(a[0], b[0]), _most(a[1], b[1])),
}

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "EQ": np.equal,
    "NE": np.not_equal,
}
