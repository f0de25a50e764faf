"""Interval arithmetic of index expressions, for all depths of a loop nest at once.

An interval is a pair of arrays [depths]: the least and the largest value that an expression takes when the loops
inside that depth run and those outside stand at zero. Bounds may be loose where two operands depend on each other.

Variables go by their hash, the address of TVM's object: to compare them would make expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Interval = tuple[NDArray[np.float64], NDArray[np.float64]]


def interval(expression: Any, of_variable: Mapping[int, Interval], depths: int) -> Interval:
    """The interval of an expression.

    Args:
        expression: a TVM index expression; what is not understood (a load, a call) counts as zero.
        of_variable: intervals [depths] of variables; others count as zero.
        depths: length of the arrays.
    """
    kind = type(expression).__name__
    if kind == "Var":
        found = of_variable.get(hash(expression))
        return found if found is not None else _constant(0.0, depths)
    if kind == "IntImm":
        return _constant(float(int(expression)), depths)
    if kind == "Cast":
        return interval(expression.value, of_variable, depths)
    if kind == "Select":
        first = interval(expression.true_value, of_variable, depths)
        second = interval(expression.false_value, of_variable, depths)
        return np.minimum(first[0], second[0]), np.maximum(first[1], second[1])
    combine = _COMBINE.get(kind)
    if combine is None:
        return _constant(0.0, depths)
    return combine(interval(expression.a, of_variable, depths), interval(expression.b, of_variable, depths))


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


def _constant(value: float, depths: int) -> Interval:
    array = np.full(depths, value)
    return array, array


def _times(a: Interval, b: Interval) -> Interval:
    corners = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]]
    return np.minimum.reduce(corners), np.maximum.reduce(corners)


def _floor_div(a: Interval, b: Interval) -> Interval:
    divisor = np.maximum(b[0], 1.0)
    return np.floor(a[0] / divisor), np.floor(a[1] / divisor)


def _floor_mod(a: Interval, b: Interval) -> Interval:
    divisor = np.maximum(b[0], 1.0)
    wraps = np.floor(a[0] / divisor) != np.floor(a[1] / divisor)
    return np.where(wraps, 0.0, a[0] % divisor), np.where(wraps, divisor - 1, a[1] % divisor)


_COMBINE: dict[str, Callable[[Interval, Interval], Interval]] = {
    "Add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "Sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "Mul": _times,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "Min": lambda a, b: (np.minimum(a[0], b[0]), np.minimum(a[1], b[1])),
    "Max": lambda a, b: (np.maximum(a[0], b[0]), np.maximum(a[1], b[1])),
}

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
    "EQ": np.equal,
    "NE": np.not_equal,
}
