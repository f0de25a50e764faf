"""Loop-nest features: what decides a program's speed on a CPU, read from its loops without lowering them.

The heaviest block of a program is described in full: the tile that is kept in registers, what is unrolled round it, the
alternation of spatial and reduction loops outside, the footprint at each of these borders, and the traffic that a cache
of some size would see; the second heaviest nearly so; all blocks together by sums. In contrast to per-store features
(Ansor, appendix B), which are summed over stores, the order of loops survives.

Traffic: for the deepest part of a nest whose cache lines fit, each access loads its lines once for every iteration of
the loops outside, except those directly outside that do not change what it touches (Lam, Rothberg and Wolf, "The cache
performance and optimizations of blocked algorithms", section 3).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.family import Needs
from costmodels.features.loops import LINE_BYTES, PARALLEL, SET_PERIODS, VECTORIZED, Access, Nest, nests
from costmodels.features.packing import UnforeseenError, Unpacked
from costmodels.features.vectors import vector_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

FEATURE_VERSION = "loop_nest-4"
"""Changes whenever `extract` gives other numbers; saved models and cached features carry it."""

NEEDS = Needs.SCHEDULE
TRIAL_TIMEOUT_SECS = 20.0  # one takes 3 to 20 ms

_CACHES = (32 * 1024, 1024 * 1024, 32 * 1024 * 1024)  # bytes: typical L1, L2 and L3 of a core
_GROUPS = 6  # alternations of spatial and reduction loops, from the inside
_LOOPS = 7  # loops described one by one, from the inside
_READS = 3  # accesses described one by one
_LEAST = 1e-6
_VECTOR_BITS = (("avx512f", 512), ("avx", 256))  # by LLVM feature, the widest first
_FLAGS = ("is_", "count_", "share_")  # taken as they are; all else is a size and goes on a log2 scale


def extract(given: Sequence[Any], context: Any) -> NDArray[np.float64]:
    """Features of scheduled candidates.

    Args:
        given: n of `tvm.s_tir.Schedule`, after the postprocessors; or `Unpacked`, which are described as they will be.
        context: the `TuneContext` of their workload; its target gives the width of vectors.

    Returns:
        Array [n, d]. All finite, except that the row of a candidate that cannot be read is NaN throughout.
    """
    rows = np.full((len(given), len(_NAMES)), np.nan)
    target = target_columns(context.target)
    for place, schedule in enumerate(given):
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # of an array without elements
                rows[place] = [*describe(_nests(schedule), 2.0 ** target[0] / 32), *target]
        except (ValueError, TypeError, AttributeError):
            _log.debug("a candidate cannot be read", exc_info=True)
    return rows


def _nests(given: Any) -> list[Nest]:
    if not isinstance(given, Unpacked):
        return nests(given.mod)
    try:
        return nests(given.schedule.mod, packs=True)
    except UnforeseenError:
        return nests(given.pack().mod)


def names() -> tuple[str, ...]:
    """Names of the columns of `extract`, in order."""
    return _NAMES


def target_columns(target: Any) -> list[float]:
    """What a `tvm.target.Target` gives of the machine: log2 of vector bits and of cores."""
    from tvm.target import codegen

    bits = 0
    if target.kind.name == "llvm":  # llvm_get_vector_width gives 512 for every x86
        bits = next((wide for name, wide in _VECTOR_BITS if codegen.target_has_features(name, target)), 128)
    return [float(np.log2(max(bits, 1))), float(np.log2(max(int(target.attrs.get("num-cores", 1)), 1)))]


def describe(found: Sequence[Nest], lanes: float) -> NDArray[np.float64]:
    """The numbers [d] of a program, without those of the target.

    Args:
        found: its nests.
        lanes: 32-bit numbers that a vector register of the target holds; 1 where there are none.

    Raises:
        ValueError: the program has no block.
    """
    lanes = max(lanes, 1.0)
    if not found:
        raise ValueError("the program has no block")
    blocks = [_block(nest, lanes) for nest in found]
    heaviest = sorted(range(len(blocks)), key=lambda b: -blocks[b]["iterations"] * (found[b].ops + 1))
    main = blocks[heaviest[0]]
    second = blocks[heaviest[1]] if len(blocks) > 1 else main
    numbers = [*main.values(), *(second[name] for name in _SECOND_NAMES), *_totals(blocks, main).values()]
    row = np.asarray(numbers, dtype=np.float64)
    row[_SIZES] = np.log2(np.maximum(row[_SIZES], _LEAST))
    if len(blocks) == 1:
        row[len(main) : len(main) + len(_SECOND_NAMES)] = -1.0
    return row


def _block(nest: Nest, lanes: float) -> dict[str, float]:
    extents, accesses = nest.extents, nest.accesses
    depths = len(extents) + 1
    inside = np.concatenate([[1.0], np.cumprod(extents)])  # [depths] iterations inside a depth
    all_iterations = float(inside[-1])
    of_vector, is_auto = vector_loop(nest)
    vector = 1.0 if of_vector is None else float(extents[of_vector])
    vectors = float(np.ceil(vector / lanes))  # registers that one vector loop fills
    touched = sum((a.elements * a.element_bytes for a in accesses), np.zeros(depths))
    lines = sum((a.lines * LINE_BYTES for a in accesses), np.zeros(depths))
    pages = sum((a.pages for a in accesses), np.zeros(depths))
    conflicts = sum((a.set_conflicts for a in accesses), np.zeros((len(SET_PERIODS), depths)))
    reads = [a for a in accesses if not a.writes]
    writes = [a for a in accesses if a.writes]

    if is_auto:
        steady = sum(1 for a in accesses if a.strides[of_vector] == 0)
        contiguous = len(accesses) - steady
    else:
        steady = sum(1 for a in accesses if depths > 1 and a.elements[1] <= 1)
        contiguous = sum(1 for a in accesses if depths > 1 and a.elements[1] > 1 and a.run[1] >= extents[0])
    alive = all_iterations * (1.0 - nest.decided.skipped)
    work = alive / vector * vectors
    numbers = {
        "iterations": all_iterations,
        "ops": nest.ops,
        "arithmetic": all_iterations * nest.ops,
        "vector": vector,
        # Wider than a register and no power of two: LLVM takes such vectors apart number by number.
        "is_uneven_vector": float(not is_auto and vector > lanes and np.log2(vector) % 1 > 0),
        "is_auto_vector": float(is_auto),
        "is_straight_vector": float(is_auto and of_vector is not None and of_vector < nest.unrolled_depth),
        "count_loops": float(depths - 1),
        "vector_work": work * (nest.ops + len(accesses)),
        "scalar_iterations": alive if vector == 1 else 0.0,
        "share_skipped": nest.decided.skipped,
        "share_branching": 1.0 - nest.decided.skipped - nest.decided.taken,
        "is_branching_by_lane": float(nest.decided.is_by_lane),
        "strided_work": alive / vector * (len(accesses) - steady - contiguous),
        "count_steady": float(steady),
        "count_contiguous": float(contiguous),
        "count_strided": float(len(accesses) - steady - contiguous),
        "share_lanes": vector / (vectors * lanes),
        "share_lines": float(touched[-1] / max(lines[-1], 1.0)),
        "parallel": float(np.prod(extents[nest.kinds == PARALLEL])),
        "footprint": float(lines[-1]),
        "iterations_per_output": all_iterations / max(sum(float(a.elements[-1]) for a in writes), 1.0),
    }
    borders = _borders(extents, nest.reduces)
    numbers["is_reduced_innermost"] = float(bool(borders) and borders[0][0] == 0)
    for place in range(_GROUPS):
        depth, size, innermost = borders[place] if place < len(borders) else (depths - 1, 1.0, 1.0)
        numbers[f"group{place}_size"] = size
        numbers[f"group{place}_innermost"] = innermost
        numbers[f"group{place}_bytes"] = float(touched[depth])
        numbers[f"group{place}_lines"] = float(lines[depth])
        numbers[f"group{place}_pages"] = float(pages[depth])
        for level, of_level in enumerate(conflicts):
            numbers[f"group{place}_crowding{level}"] = float(of_level[depth])
        numbers[f"group{place}_intensity"] = float(inside[depth] * nest.ops / max(touched[depth], 1.0))
    tile_depth = borders[0][0] if borders else 0
    is_in_tile = of_vector is not None and of_vector < tile_depth
    numbers |= _register_tile(reads, tile_depth, inside, vector if is_in_tile else 1.0, lanes)
    numbers |= _unrolling(nest, tile_depth, inside, vectors, touched, lines)
    for level, capacity in enumerate(_CACHES):
        numbers |= _cache(level, capacity, nest, inside, lines)
    loops = np.flatnonzero(extents > 1)[:_LOOPS]
    for place in range(_LOOPS):
        loop = int(loops[place]) if place < len(loops) else None
        grown = [] if loop is None else [a for a in accesses if a.elements[loop + 1] > a.elements[loop]]
        numbers[f"loop{place}_extent"] = 1.0 if loop is None else float(extents[loop])
        numbers[f"is_loop{place}_reduction"] = 0.0 if loop is None else float(nest.reduces[loop])
        numbers[f"count_loop{place}_reads"] = float(sum(not a.writes for a in grown))
        numbers[f"is_loop{place}_writing"] = float(any(a.writes for a in grown))
        numbers[f"loop{place}_bytes"] = float(touched[depths - 1 if loop is None else loop + 1])
    return numbers


def _borders(extents: NDArray[np.float64], reduces: NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    """Where spatial and reduction loops alternate, from the inside: (depth that ends the group, its iterations, the
    extent of its innermost loop). The first group is the spatial one, empty (depth 0) when a reduction is innermost.
    """
    groups: list[tuple[int, float, float]] = []
    last: bool | None = None
    for place in np.flatnonzero(extents > 1):
        extent, reduction = float(extents[place]), bool(reduces[place])
        if reduction == last:
            _, size, innermost = groups.pop()
            groups.append((int(place) + 1, size * extent, innermost))
            continue
        if last is None and reduction:
            groups.append((0, 1.0, 1.0))
        groups.append((int(place) + 1, extent, extent))
        last = reduction
    return groups


def _register_tile(
    reads: Sequence[Access], depth: int, inside: NDArray[np.float64], vector: float, lanes: float
) -> dict[str, float]:
    """What is accumulated while the innermost reduction loop runs, and what that takes to load."""
    tile = float(inside[depth])
    loaded = sorted(((float(a.elements[depth]), float(a.run[depth])) for a in reads), reverse=True)[:_READS]
    numbers = {"tile_registers": tile / vector * float(np.ceil(vector / lanes))}
    for place in range(_READS):
        elements, run = loaded[place] if place < len(loaded) else (0.0, 0.0)
        numbers[f"tile_read{place}"] = elements
        numbers[f"tile_run{place}"] = run
    loads = sum(np.ceil(elements / (lanes if run > 1 else 1.0)) for elements, run in loaded)
    return {**numbers, "tile_loads_per_op": float(loads) / (tile / lanes)}


def _unrolling(
    nest: Nest,
    tile_depth: int,
    inside: NDArray[np.float64],
    vectors: float,
    touched: NDArray[np.float64],
    lines: NDArray[np.float64],
) -> dict[str, float]:
    """The innermost loops that the pragma unrolls."""
    depth = nest.unrolled_depth
    unrolled = float(np.prod(nest.extents[:depth][nest.kinds[:depth] != VECTORIZED]))
    return {
        "unroll_step": float(nest.unroll_step),
        "unrolled": unrolled,
        "unrolled_ops": unrolled * (1.0 - nest.decided.skipped) * vectors * max(nest.ops, 1.0),
        "unrolled_bytes": float(touched[depth]),
        "unrolled_lines": float(lines[depth]),
        "unrolled_times": float(inside[-1] / inside[depth]),
        "is_unrolled_reduction": float(bool((nest.reduces[:depth] & (nest.extents[:depth] > 1)).any())),
        "is_unrolled_tile": float(depth >= tile_depth),
    }


def _cache(
    level: int, capacity: int, nest: Nest, inside: NDArray[np.float64], lines: NDArray[np.float64]
) -> dict[str, float]:
    """What goes through a cache that holds `capacity` bytes."""
    depth = int(np.flatnonzero(lines <= capacity).max(initial=0))
    loaded = written = 0.0
    for access in nest.accesses:
        changes = np.flatnonzero(access.elements[depth + 1 :] != access.elements[depth:-1])
        times = float(np.prod(nest.extents[depth + int(changes[0]) :])) if len(changes) else 1.0
        traffic = float(access.lines[depth]) * times * LINE_BYTES
        loaded += traffic
        written += traffic if access.writes else 0.0
    outside = min(depth + 1, len(lines) - 1)
    return {
        f"cache{level}_traffic": loaded,
        f"cache{level}_written": written,
        f"cache{level}_intensity": float(inside[-1]) * nest.ops / max(loaded, 1.0),
        f"cache{level}_inside": float(inside[depth]),
        f"cache{level}_outside": float(inside[-1] / inside[depth]),
        f"cache{level}_lines": float(lines[depth]),
        f"cache{level}_next_lines": float(lines[outside]),
    }


_SUMMED = ("iterations", "arithmetic", "vector_work", *(f"cache{level}_traffic" for level in range(len(_CACHES))))


def _totals(blocks: Sequence[dict[str, float]], main: dict[str, float]) -> dict[str, float]:
    totals = {name: sum(block[name] for block in blocks) for name in _SUMMED}
    arithmetic = max(totals["arithmetic"], 1.0)
    numbers = {f"all_{name}": value for name, value in totals.items()}
    numbers |= {f"all_{name}_over_main": value / max(main[name], 1.0) for name, value in totals.items()}
    numbers |= {f"all_{name}_per_op": value / arithmetic for name, value in totals.items()}
    for name in ("scalar_iterations", "strided_work"):
        numbers[f"all_{name}"] = sum(block[name] for block in blocks)
    return {**numbers, "count_blocks": float(len(blocks))}


_EXAMPLE = _block(Nest("", np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.bool_), 0, (), 0.0), 1.0)
_SECOND_NAMES = tuple(name for name in _EXAMPLE if "loop" not in name)
_OF_ALL = tuple(_totals([_EXAMPLE], _EXAMPLE))
_SIZES = np.flatnonzero([not name.startswith(_FLAGS) for name in (*_EXAMPLE, *_SECOND_NAMES, *_OF_ALL)])
_NAMES = (
    *(f"main_{name}" for name in _EXAMPLE),
    *(f"second_{name}" for name in _SECOND_NAMES),
    *_OF_ALL,
    "target_vector_bits",
    "target_cores",
)
