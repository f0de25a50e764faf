"""Features of a trace alone: which primitives it has, and what was decided, without replaying or lowering anything.

A fixed number of slots, in the order of the trace: tile factors on a log2 scale, one slot a level, so that neighbours
are neighbours; the values chosen of categories; where blocks are computed; what was annotated. Thousands of traces a
second, from the recorded JSON. They tell the candidates of one design space apart, and hold little about the program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from costmodels.features.family import Needs
from tunedb.records import Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURE_VERSION = "trace-1"
"""Changes whenever `row` gives other numbers."""

NEEDS = Needs.TRACE
TRIAL_TIMEOUT_SECS = 20.0  # tenths of a millisecond

_KINDS = (
    "SamplePerfectTile",
    "SampleCategorical",
    "SampleComputeLocation",
    "Split",
    "Fuse",
    "Reorder",
    "CacheRead",
    "CacheWrite",
    "ComputeAt",
    "ReverseComputeAt",
    "ComputeInline",
    "ReverseComputeInline",
    "RFactor",
    "DecomposeReduction",
    "Tensorize",
    "Vectorize",
    "Parallel",
    "Unroll",
    "Bind",
    "StorageAlign",
    "AddUnitLoop",
    "TransformLayout",
)
_TILES, _LEVELS = 8, 4
_CATEGORIES = 3
_LOCATIONS = 4
_ANNOTATIONS = ("meta_schedule.parallel", "meta_schedule.vectorize", "meta_schedule.unroll_explicit")

_NAMES = (
    *(f"count_{kind}" for kind in _KINDS),
    *(f"tile{tile}_level{level}" for tile in range(_TILES) for level in range(_LEVELS)),
    *(f"spatial_level{level}" for level in range(_LEVELS)),
    *(f"reduction_level{level}" for level in range(2)),
    *(f"category{slot}" for slot in range(_CATEGORIES)),
    *(f"location{slot}" for slot in range(_LOCATIONS)),
    *(name.rpartition(".")[2] for name in _ANNOTATIONS),
)


def names() -> tuple[str, ...]:
    """Names of the columns, in order."""
    return _NAMES


def extract(given: Sequence[Trace], context: Any) -> NDArray[np.float64]:
    """Features [n, d] of n recorded traces, NaN for what is no trace; `context` is not looked at."""
    del context
    rows = np.full((len(given), len(_NAMES)), np.nan)
    for place, recorded in enumerate(given):
        with contextlib.suppress(ValueError):
            rows[place] = row(recorded)
    return rows


def row(trace: Trace) -> NDArray[np.float64]:
    """Features [d] of a recorded trace.

    Raises:
        ValueError: it is no trace.
    """
    try:
        instructions = msgspec.json.decode(trace.instructions)
        decisions = {int(index): value for index, value in msgspec.json.decode(trace.decisions)}
        return np.asarray(_row(instructions, decisions))
    except (msgspec.MsgspecError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"not a trace: {error}") from error


def _row(instructions: Sequence[Any], decisions: dict[int, Any]) -> list[float]:
    counts = dict.fromkeys(_KINDS, 0)
    tiles: list[list[float]] = []
    categories: list[float] = []
    locations: list[float] = []
    values: dict[str, float] = {}
    annotations = dict.fromkeys(_ANNOTATIONS, 0.0)
    for index, (kind, inputs, attributes, outputs) in enumerate(instructions):
        if kind in counts:
            counts[kind] += 1
        decided = decisions.get(index)
        if kind == "SamplePerfectTile" and decided is not None:
            tiles.append([float(np.log2(max(int(factor), 1))) for factor in decided])
        elif kind == "SampleCategorical" and decided is not None:
            chosen = float(attributes[0][int(decided)])
            values[str(outputs[0])] = chosen
            categories.append(chosen)
        elif kind == "SampleComputeLocation" and decided is not None:
            locations.append(float(decided))
        elif kind == "Annotate" and attributes[0] in annotations:
            value = inputs[1]
            annotations[attributes[0]] = values.get(value, 0.0) if isinstance(value, str) else float(value)
    slots = [([*tiles[t], *[0.0] * _LEVELS] if t < len(tiles) else [0.0] * _LEVELS)[:_LEVELS] for t in range(_TILES)]
    spatial = [sum(tile[level] for tile in tiles if len(tile) == _LEVELS) for level in range(_LEVELS)]
    reduction = [sum(tile[level] for tile in tiles if len(tile) == 2) for level in range(2)]
    return [
        *map(float, counts.values()),
        *(factor for slot in slots for factor in slot),
        *spatial,
        *reduction,
        *_filled([float(np.log2(1 + max(value, 0.0))) for value in categories], _CATEGORIES),
        *_filled(locations, _LOCATIONS),
        *(float(np.log2(1 + max(value, 0.0))) for value in annotations.values()),
    ]


def _filled(found: list[float], slots: int) -> list[float]:
    return [*found, *[-1.0] * slots][:slots]
