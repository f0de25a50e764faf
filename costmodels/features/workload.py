"""Workload descriptors: what is computed, whatever the schedule, so that workloads can be compared.

The kind of operator follows from what its heaviest block does, not from its name: a contraction sums over a product of
several reads, a window reads the same elements again and again from shifted places (convolutions, pooling, stencils).
FLOP and bytes are the algorithm's, each argument moved once: their ratio is the arithmetic intensity of the roofline
(Williams, Waterman and Patterson, CACM 2009, section 3). The same row for all candidates of a workload.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.family import Needs
from costmodels.features.loops import element_bytes, nests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.features.loops import Access, Nest

FEATURE_VERSION = "workload-1"
"""Changes whenever `describe` gives other numbers."""

NEEDS = Needs.WORKLOAD
TRIAL_TIMEOUT_SECS = 20.0  # milliseconds, once for a workload

KINDS = ("contraction", "reduction", "elementwise", "movement")
"""What the heaviest block does: sums over a product of reads, reduces one, computes without reducing, or copies."""

_SPATIAL, _REDUCTION = 5, 4  # loops described one by one, the longest first

_NAMES = (
    *(f"is_{kind}" for kind in KINDS),
    "is_windowed",
    "is_conditional",
    "has_calls",
    "count_blocks",
    "count_arguments",
    "element_bytes",
    "flop",
    "bytes",
    "intensity",
    "spatial",
    "reduction",
    *(f"spatial{place}" for place in range(_SPATIAL)),
    *(f"reduction{place}" for place in range(_REDUCTION)),
)
_AS_THEY_ARE = ("is_", "has_", "count_")  # all else goes on a log2 scale


def names() -> tuple[str, ...]:
    """Names of the columns of `extract`, in order."""
    return tuple(f"workload_{name}" for name in _NAMES)


def extract(given: Sequence[Any], context: Any) -> NDArray[np.float64]:
    """Descriptors of the workload of a `TuneContext`, once for each candidate [n, d]; NaN where it cannot be read."""
    try:
        row = describe(context.mod)
    except (ValueError, TypeError, AttributeError):
        row = np.full(len(_NAMES), np.nan)
    return np.tile(row, (len(given), 1))


def describe(module: Any) -> NDArray[np.float64]:
    """The numbers [d] of a workload, without those of any schedule.

    Args:
        module: its `tvm.IRModule`, as yet unscheduled.

    Raises:
        ValueError, TypeError: it has no block, or an extent is not a number.
    """
    found = nests(module)
    if not found:
        raise ValueError("the program has no block")
    main = max(found, key=lambda nest: _iterations(nest) * (nest.ops + 1.0))
    arguments = [argument.ty for _, function in module.functions_items() for argument in function.params]
    moved = float(sum(np.prod([int(extent) for extent in a.shape]) * element_bytes(a) for a in arguments))
    flop = sum(_iterations(nest) * nest.ops * (1.0 - nest.decided.skipped) for nest in found)
    spatial, reduction = (np.sort(main.extents[main.reduces == reduces])[::-1] for reduces in (False, True))
    numbers = {
        **{f"is_{kind}": float(kind == _kind(main)) for kind in KINDS},
        "is_windowed": float(any(_overlaps(access, main) for access in main.accesses if not access.writes)),
        "is_conditional": float(main.decided.skipped > 0.0 or main.decided.taken < 1.0),
        "has_calls": float(any(nest.has_calls for nest in found)),
        "count_blocks": float(len(found)),
        "count_arguments": float(len(arguments)),
        "element_bytes": float(max(access.element_bytes for access in main.accesses)),
        "flop": flop,
        "bytes": moved,
        "intensity": max(flop, 1.0) / max(moved, 1.0),
        "spatial": float(np.prod(spatial)),
        "reduction": float(np.prod(reduction)),
        **_longest("spatial", spatial, _SPATIAL),
        **_longest("reduction", reduction, _REDUCTION),
    }
    return np.asarray([_scaled(name, numbers[name]) for name in _NAMES])


def _kind(nest: Nest) -> str:
    """Which of `KINDS` a block is."""
    if nest.reduces[nest.extents > 1].any():
        summed = [a for a in nest.accesses if not a.writes and (a.strides[nest.reduces] != 0).any()]
        return "contraction" if len(summed) > 1 else "reduction"
    return "elementwise" if nest.ops > 0 else "movement"


def _overlaps(access: Access, nest: Nest) -> bool:
    """Whether iterations that read other places read the same elements again."""
    return bool(access.elements[-1] < np.prod(nest.extents[np.diff(access.elements) > 0]))


def _iterations(nest: Nest) -> float:
    return float(np.prod(nest.extents))


def _longest(name: str, extents: NDArray[np.float64], number: int) -> dict[str, float]:
    return {f"{name}{place}": float(extents[place]) if place < len(extents) else 1.0 for place in range(number)}


def _scaled(name: str, value: float) -> float:
    if name.startswith(_AS_THEY_ARE):
        return value
    return float(np.log2(value if name == "intensity" else max(value, 1.0)))
