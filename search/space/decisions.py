"""The decisions of recorded traces, and how to carry them over to a program of other extents.

A recorded trace is anybody's: of its text only the names of its instructions and its decisions are used, and applied
to the instructions of a design space that was generated here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tunedb.records import Trace

Decisions = Mapping[int, list[int] | int]

POSTPROC = "EnterPostproc"
TILE, CATEGORICAL, LOCATION = "SamplePerfectTile", "SampleCategorical", "SampleComputeLocation"


@dataclass(frozen=True, slots=True)
class Decided:
    """A trace without its postprocessors' part."""

    form: tuple[tuple[str, ...], ...]  # of each instruction its name and what it works on
    decisions: dict[int, Any]  # by the instruction's place: factors of a tile, or a number


def read_decisions(trace: Trace) -> Decided | None:
    """What a recorded trace decided; None when it is not such a trace (another tuner's record)."""
    try:
        instructions = msgspec.json.decode(trace.instructions, type=list[tuple[str, list[Any], Any, Any]])
        decisions = dict(msgspec.json.decode(trace.decisions, type=list[tuple[int, list[int] | int]]))
    except msgspec.MsgspecError:
        return None
    names = [name for name, *_ in instructions]
    before = instructions[: names.index(POSTPROC)] if POSTPROC in names else instructions
    # Numbers are extents, which differ among similar workloads; lists are not: the stages of a pipeline, say.
    form = tuple(
        (name, *(str(what) for what in inputs if isinstance(what, str | list))) for name, inputs, _, _ in before
    )
    return Decided(form, {place: decided for place, decided in decisions.items() if place < len(form)})


def decision_key(decisions: Decisions) -> tuple[Any, ...]:
    """Equal for equal decisions."""
    return tuple((place, tuple(v) if isinstance(v, list) else v) for place, v in sorted(decisions.items()))


def encoded(decisions: Decisions) -> npt.NDArray[np.float64]:
    """Decisions of one design space as numbers [k] in which neighbours are near.

    A tile is the base-2 logarithm of each factor, so that doubling one is a step of 1; the rest are as they are.
    """
    numbers: list[float] = []
    for _, decided in sorted(decisions.items()):
        numbers += [math.log2(factor) for factor in decided] if isinstance(decided, list) else [float(decided)]
    return np.asarray(numbers)


def carried_over(decided: Decisions, like: Decisions, limits: Mapping[int, int]) -> dict[int, list[int] | int] | None:
    """Decisions fitted to another program of the same design space; None when their kinds differ.

    Args:
        decided: The decisions, by place.
        like: Any decisions of the other program by place: they say which extents its tiles divide.
        limits: The largest innermost factor by place, of tiles.
    """
    if decided.keys() != like.keys():
        return None
    fitted: dict[int, list[int] | int] = {}
    for place, wanted in decided.items():
        example = like[place]
        if not isinstance(wanted, list):
            if isinstance(example, list):
                return None
            fitted[place] = wanted
        elif not isinstance(example, list) or len(wanted) != len(example) or min(wanted) < 1:
            return None
        else:
            fitted[place] = nearest_tile(tuple(wanted), math.prod(example), limits.get(place, 0))
    return fitted


@functools.lru_cache(maxsize=4096)
def factorisations(extent: int, parts: int, max_innermost: int = 0) -> tuple[tuple[int, ...], ...]:
    """All ways to write an extent as a product of so many factors, in lexical order.

    Args:
        extent: The number to divide.
        parts: The number of factors, the outermost first.
        max_innermost: The largest last factor; 0 sets no limit.
    """
    if parts == 1:
        return ((extent,),) if not max_innermost or extent <= max_innermost else ()
    return tuple(
        (factor, *rest)
        for factor in range(1, extent + 1)
        if extent % factor == 0
        for rest in factorisations(extent // factor, parts - 1, max_innermost)
    )


@functools.lru_cache(maxsize=4096)
def nearest_tile(wanted: tuple[int, ...], extent: int, max_innermost: int = 0) -> list[int]:
    """The factorisation of an extent whose inner factors are nearest to those wanted, by their ratios.

    The outermost factor is what is left: it says how often the tile repeats, not what the tile is. Nearer the inside
    counts for more.
    """
    if math.prod(wanted) == extent and (not max_innermost or wanted[-1] <= max_innermost):
        return list(wanted)

    found, logs = _with_logs(extent, len(wanted), max_innermost)
    distance = np.abs(logs - np.log(wanted)) @ np.arange(len(wanted))
    return list(found[int(np.argmin(np.round(distance, 9)))])


@functools.lru_cache(maxsize=4096)
def _with_logs(
    extent: int, parts: int, max_innermost: int
) -> tuple[tuple[tuple[int, ...], ...], npt.NDArray[np.float64]]:
    """Factorisations [n], and the logarithms of their factors [n, parts]."""
    found = factorisations(extent, parts, max_innermost)
    return found, np.log(np.array(found, dtype=np.float64))
