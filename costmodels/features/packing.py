"""Where constants of a network will lie once they are packed, told from the loops before they are.

MetaSchedule's last postprocessor for CPUs lays a constant out in the order in which the loops read it
(`SuggestIndexMap` in TVM): each part of a loop that its index hangs on becomes a dimension, the outermost loop's first.
To do that takes as long as all other postprocessors together; what comes of it for features is a matter of arithmetic.
A program with another kind of index is to be packed before it is described.
"""

from __future__ import annotations

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


def parts_of(indices: Sequence[Any], axes: Mapping[int, Any], loops: Mapping[int, tuple[int, int]]) -> list[Part]:
    """The dimensions that a constant will have, the outermost first.

    Args:
        indices: What it is read at.
        axes: The value of each of the block's axes, by the variable's hash.
        loops: Place from the inside and extent of each loop, by the variable's hash.

    Raises:
        UnforeseenError: An index is no sum of parts of loops.
    """
    found = [term.part for index in indices for term in terms_of(index, axes, loops) if term.part.extent > 1]
    if not found or len({(part.place, part.factor) for part in found}) < len(found):
        raise UnforeseenError("a constant that is read elsewhere than at parts of loops")
    return sorted(found, key=lambda part: (-part.place, -part.factor))


def touched(parts: Sequence[Part], depths: int) -> tuple[list[int], list[NDArray[np.float64]], NDArray[np.float64]]:
    """What a block reads of a packed constant.

    Args:
        parts: Its dimensions.
        depths: One more than the block has loops.

    Returns:
        The shape; how wide a part of each dimension is read [depths]; the place in memory, relative to the first
        element, at the origin and one step of each loop away [depths].
    """
    shape = [part.extent for part in parts]
    widths = [np.where(np.arange(depths) > part.place, float(part.extent), 1.0) for part in parts]
    address = np.zeros(depths)
    stride = 1
    for part in reversed(parts):
        address[part.place + 1] += stride * (1 // part.factor % part.extent)
        stride *= part.extent
    return shape, widths, address


def uneven_part(index: Any, axes: Mapping[int, Any], loops: Mapping[int, tuple[int, int]]) -> int | None:
    """The extent of the inner loop of two whose sum wraps round at what is no multiple of it.

    Args:
        index: The remainder of such a sum, which begins anew in the midst of the inner loop.
        axes: As for `parts_of`.
        loops: As for `parts_of`.
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
