"""Which loop of a nest becomes vectors: the one that the schedule names, or one that LLVM chooses by itself.

A third of the candidates that MetaSchedule samples have no vectorised loop, and a sixth of the best ones: LLVM makes
vectors of the innermost loop that is left when short ones within are unrolled, and of straight code.
"""

from __future__ import annotations

from costmodels.features.loops import PARALLEL, VECTORIZED, Access, Nest

_SHORTEST = 4  # iterations
_MOST_UNROLLED = 300.0  # operations: loops of so many LLVM unrolls unasked


def vector_loop(nest: Nest) -> tuple[int | None, bool]:
    """The loop that becomes vectors, from the inside, None when none does; and whether it is LLVM that chose it."""
    if len(nest.extents) and nest.kinds[0] == VECTORIZED:
        return 0, False
    code = (nest.ops + len(nest.accesses)) * (1.0 - nest.decided.skipped)
    straight = nest.unrolled_depth
    for place, extent in enumerate(nest.extents):
        if nest.kinds[place] == PARALLEL or nest.has_calls:
            break
        if extent >= _SHORTEST and not nest.reduces[place] and all(_is_neat(a, place) for a in nest.accesses):
            return place, True
        code *= extent
        if place >= straight and code > _MOST_UNROLLED:
            break
    return None, False


def _is_neat(access: Access, place: int) -> bool:
    """Whether successive iterations of a loop touch neighbours, or, reading, the same element."""
    return bool(access.strides[place] == 1 or (access.strides[place] == 0 and not access.writes))
