"""Where constants of a network will lie once they are packed, told from the loops before they are.

MetaSchedule's last postprocessor for CPUs lays a constant out in the order in which the loops read it
(`SuggestIndexMap` in TVM): each part of a loop that its index hangs on becomes a dimension, the outermost loop's first.
To do that takes as long as all other postprocessors together; what comes of it for features is a matter of arithmetic.
A program with another kind of index is to be packed before it is described.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnforeseenError(ValueError):
    """Nothing tells how a constant will be packed, but packing it."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A schedule of which constants are yet to be packed."""

    schedule: Any
    pack: Callable[[], Any]  # packs them, and gives the schedule


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a loop: (its variable // factor) % extent."""

    place: int  # of the loop, from the inside
    factor: int
    extent: int


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension of a constant that will be packed: a part of an axis that it has now, which a part of a loop runs."""

    part: Part
    axis: int
    scale: int  # the place on the axis is divided by it
    is_first: bool  # of the axis: nothing wraps round there


def dimensions_of(
    indices: Sequence[Any], shape: Sequence[int], axes: Mapping[int, Any], loops: Mapping[int, tuple[int, int]]
) -> list[Dimension]:
    """The dimensions that a constant will have, the outermost first.

    Args:
        indices: What it is read at.
        shape: That it has now.
        axes: The value of each of the block's axes, by the variable's hash.
        loops: Place from the inside and extent of each loop, by the variable's hash.

    Raises:
        UnforeseenError: An index is no sum of parts of loops, or these run further than the constant reaches.
    """
    found = []
    for axis, index in enumerate(indices):
        terms = [term for term in terms_of(index, axes, loops) if term.part.extent > 1]
        largest = max((term.scale for term in terms), default=0)
        if math.prod(term.part.extent for term in terms) != shape[axis]:
            raise UnforeseenError("loops that run further than a constant reaches")
        found += [Dimension(term.part, axis, term.scale, term.scale == largest) for term in terms]
    if not found or len({(one.part.place, one.part.factor) for one in found}) < len(found):
        raise UnforeseenError("a constant that is read elsewhere than at parts of loops")
    return sorted(found, key=lambda one: (-one.part.place, -one.part.factor))


def touched(
    dimensions: Sequence[Dimension], depths: int, points: Sequence[NDArray[np.float64]]
) -> tuple[list[int], list[NDArray[np.float64]], NDArray[np.float64]]:
    """What a block reads of a packed constant.

    Args:
        dimensions: Its dimensions.
        depths: One more than the block has loops.
        points: The place on each axis that it has now, at the origin and one step of each loop away [depths].

    Returns:
        The shape; how wide a part of each dimension is read [depths]; the place in memory at the same points [depths].
    """
    shape = [one.part.extent for one in dimensions]
    widths = [np.where(np.arange(depths) > one.part.place, float(one.part.extent), 1.0) for one in dimensions]
    address = np.zeros(depths)
    for one in dimensions:
        place = np.floor(points[one.axis] / one.scale)
        address = address * one.part.extent + (place if one.is_first else place % one.part.extent)
    return shape, widths, address


def uneven_part(index: Any, axes: Mapping[int, Any], loops: Mapping[int, tuple[int, int]]) -> int | None:
    """The extent of the inner loop of two whose sum wraps round at what is no multiple of it.

    Args:
        index: The remainder of such a sum, which begins anew in the midst of the inner loop.
        axes: As for `dimensions_of`.
        loops: As for `dimensions_of`.
    """
    while type(index).__name__ == "Var" and hash(index) in axes:
        index = axes[hash(index)]
    if type(index).__name__ != "FloorMod":
        return None
    try:
        terms = sorted(terms_of(index.a, axes, loops), key=lambda term: term.scale)
    except UnforeseenError:
        return None
    is_sum = len(terms) == 2 and terms[0].scale == 1 and terms[1].scale == terms[0].part.extent
    return terms[0].part.extent if is_sum else None


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a loop, and what it is multiplied with in a sum."""

    part: Part
    scale: int


def terms_of(expression: Any, axes: Mapping[int, Any], loops: Mapping[int, tuple[int, int]]) -> list[Term]:
    """An expression as a sum of parts of loops."""
    kind = type(expression).__name__
    if kind == "Var":
        name = hash(expression)
        if name in axes:
            return terms_of(axes[name], axes, loops)
        if name in loops:
            place, extent = loops[name]
            return [Term(Part(place, 1, extent), 1)] if extent > 1 else []
    elif kind == "IntImm":
        if int(expression.value) == 0:
            return []
    elif kind == "Cast":
        return terms_of(expression.value, axes, loops)
    elif kind == "Add":
        return [*terms_of(expression.a, axes, loops), *terms_of(expression.b, axes, loops)]
    elif type(getattr(expression, "b", None)).__name__ == "IntImm":
        inner, number = terms_of(expression.a, axes, loops), int(expression.b.value)
        if kind == "Mul":
            return [Term(term.part, term.scale * number) for term in inner]
        if kind == "FloorDiv":
            return [part for term in inner for part in _divided(term, number)]
        if kind == "FloorMod":
            return [part for term in inner for part in _remaining(term, number)]
    raise UnforeseenError(f"a constant is read at {expression}")


def _divided(term: Term, by: int) -> list[Term]:
    """What is left of a term of a sum that is divided, all smaller terms being less than it."""
    part, reach = term.part, term.scale * term.part.extent
    if by % reach == 0:
        return []
    if term.scale % by == 0:
        return [Term(part, term.scale // by)]
    if by % term.scale == 0 and reach % by == 0:
        low = by // term.scale
        return [Term(Part(part.place, part.factor * low, part.extent // low), 1)]
    raise UnforeseenError(f"a loop of {part.extent} in steps of {term.scale} is divided by {by}")


def _remaining(term: Term, by: int) -> list[Term]:
    """What is left of a term of a sum of which the remainder is taken."""
    part, reach = term.part, term.scale * term.part.extent
    if term.scale % by == 0:
        return []
    if by % reach == 0:
        return [term]
    if by % term.scale == 0 and reach % by == 0:
        return [Term(Part(part.place, part.factor, by // term.scale), term.scale)]
    raise UnforeseenError(f"the remainder by {by} is taken of a loop of {part.extent} in steps of {term.scale}")
