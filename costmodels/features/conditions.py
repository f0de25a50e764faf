"""What a compiler can tell of a block's conditions before the program runs.

Padding and strides that are computed in place leave `if_then_else` in a block. Where the loops that a condition hangs
on are unrolled, it is decided at compile time: what it excludes costs nothing (three quarters of a transposed
convolution of stride 2), what it admits has no branch. Elsewhere it is a branch in the innermost loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.intervals import holds, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOWHERE = np.zeros((1, 0), dtype=np.int64)
VECTORIZED = 2  # of TVM's ForKind
_INSIDE, _OUTSIDE = 512, 24  # most positions looked at, of unrolled loops and of the others


@dataclass(frozen=True, slots=True)
class Decided:
    """Shares of a block's iterations by what is known of its conditions at compile time; the rest is a branch each."""

    skipped: float = 0.0
    taken: float = 1.0
    is_by_lane: bool = False  # a condition hangs on where in a vector it is: such vectors are taken apart


def decided(conditions: Sequence[Any], axes: Sequence[tuple[int, Any]], loops: Sequence[Any], depth: int) -> Decided:
    """What is known of conditions when the innermost loops are unrolled.

    Args:
        conditions: expressions of the block's axes, one for each `if_then_else` that no other one holds.
        axes: the hash of each of the block's axes, with its value as an expression of the loops.
        loops: TVM's loops, innermost first.
        depth: so many of them are unrolled, or vectorised.
    """
    if not conditions:
        return Decided()
    used = {axis for condition in conditions for axis in variables(condition)}
    axes = [(axis, value) for axis, value in axes if axis in used]
    of_axes = {loop for _, value in axes for loop in variables(value)}
    places = [place for place, loop in enumerate(loops) if hash(loop.loop_var) in of_axes]
    by_lane = 0 in places and int(loops[0].kind) == VECTORIZED
    # A grid: rows stand for what is known at compile time, columns for where the loops outside may be.
    rng = np.random.default_rng(0)
    extents = np.asarray([int(loops[place].extent) for place in places], dtype=np.int64)
    known = sum(place < depth for place in places)
    inside, outside = _positions(extents[:known], rng), _corners(extents[known:], rng)
    grid = np.concatenate([np.repeat(inside, len(outside), axis=0), np.tile(outside, (len(inside), 1))], axis=1)
    of_loop = {hash(loops[place].loop_var): (grid[:, i], grid[:, i]) for i, place in enumerate(places)}
    of_axis = {axis: interval(value, of_loop, len(grid)) for axis, value in axes}
    truths = [holds(condition, of_axis, len(grid)).reshape(len(inside), -1) for condition in conditions]
    return Decided(
        skipped=float(np.mean([(~truth).all(axis=1).mean() for truth in truths])),
        taken=float(np.mean([truth.all(axis=1).mean() for truth in truths])),
        is_by_lane=by_lane,
    )


def variables(expression: Any) -> set[int]:
    """Hashes of the variables in an expression."""
    if type(expression).__name__ == "Var":
        return {hash(expression)}
    below = [getattr(expression, name, None) for name in ("a", "b", "value")] + list(getattr(expression, "args", ()))
    return {variable for part in below if part is not None for variable in variables(part)}


def _positions(extents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """All positions [n, d] of loops, or a sample of them."""
    total = math.prod(int(extent) for extent in extents)
    if not len(extents):
        return _NOWHERE
    if total <= _INSIDE:
        return np.stack(np.unravel_index(np.arange(total), tuple(extents)), axis=1)
    chosen = rng.choice(total, _INSIDE, replace=False) if total < 2**20 else rng.integers(0, total, _INSIDE)
    return np.stack(np.unravel_index(chosen, tuple(extents)), axis=1)


def _corners(extents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions [n, d] of loops: both ends of all, half of the others in corners, where conditions change."""
    if not len(extents):
        return _NOWHERE
    sampled = rng.integers(0, extents, size=(_OUTSIDE, len(extents)))
    corner = rng.integers(0, 2, size=sampled.shape) * (extents - 1)
    sampled[::2] = corner[::2]
    sampled[0], sampled[1] = 0, extents - 1
    return np.asarray(sampled, dtype=np.int64)
