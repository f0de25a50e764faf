"""What a GPU design space's tiles mean: which factors become threads, virtual threads and shared memory.

Read off the space's trace, instruction by instruction, and off the block that it tiles, as it is when its tiles are
drawn. Of what is not understood nothing is said: then TVM's postprocessors alone decide, as they do in the end anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import Trace

from costmodels.features.intervals import interval
from costmodels.features.loops import element_bytes, expressions, statements
from search.space.decisions import CATEGORICAL, TILE
from search.space.threads import Dimension, Level, Limits, Shared, Tile, Tiling

_log = logging.getLogger(__name__)

_STRUCTURE = "meta_schedule.tiling_structure"
_LEAST, _MOST = (f"meta_schedule.thread_extent_{end}_inclusive" for end in ("low", "high"))
_FETCH = "meta_schedule.cooperative_fetch"
_WARP, _STAGES = "warp_execution", "software_pipeline_stage"
_WARP_THREADS = 32  # of all CUDA devices
_VECTOR_BYTES, _INDEX_BYTES = 16, 4
_MOST_LANES = 8  # elements that are moved at once, of float16
_FRAGMENT_SIDES = 2  # the last axes of an output that tensor cores compute


def limits_of(target: Any) -> Limits | None:
    """What a target allows a block of threads; None where it is no GPU, or does not say.

    Args:
        target: TVM's target.
    """
    attributes = target.attrs
    if str(target.kind.name) != "cuda":
        return None
    try:
        return Limits(int(attributes["max_threads_per_block"]), int(attributes["max_shared_memory_per_block"]))
    except KeyError:
        return None


def tilings_of(trace: Any, mod: Any) -> tuple[Tiling, ...]:
    """The tiled blocks of a design space, those that are understood.

    Args:
        trace: The design space's trace.
        mod: The module that it schedules.
    """
    found = []
    for group in _groups(trace):
        try:
            tiling = _tiling(group, trace, mod)
        except Exception:  # a form that TVM's rules do not make today
            _log.debug("a tiling that is not understood", exc_info=True)
            continue
        if tiling is not None:
            found.append(tiling)
    return tuple(found)


@dataclass(slots=True, eq=False)
class _Group:
    """What a trace does to one block that it tiles."""

    block: Any
    tiles: list[int] = field(default_factory=list)  # places of the instructions
    max_innermost: dict[int, int] = field(default_factory=dict)
    bound: dict[str, list[Level]] = field(default_factory=dict)  # by thread axis
    least_threads: int = 1
    most_threads: int = 1 << 30
    is_of_warps: bool = False
    read: list[tuple[int, Any]] = field(
        default_factory=list
    )  # buffers that are kept in shared memory, and their blocks
    alignment: dict[Any, tuple[int, int]] = field(default_factory=dict)  # by such a block
    lanes: dict[Any, tuple[int, list[int]]] = field(default_factory=dict)  # likewise: the place and the choices
    written: Any = None  # the block that brings results from shared memory, where they go through it
    copies: int = 1
    pipelined: list[Level] = field(default_factory=list)


def _groups(trace: Any) -> list[_Group]:
    groups: list[_Group] = []
    levels: dict[Any, list[Level]] = {}  # of variables that are factors, and of loops that were split by them
    of_tile: dict[int, _Group] = {}
    choices: dict[Any, tuple[int, list[int]]] = {}  # by variable
    for place, inst in enumerate(trace.insts):
        kind, inputs, outputs = str(inst.kind.name), list(inst.inputs), list(inst.outputs)
        if kind == CATEGORICAL:
            choices[outputs[0]] = (place, [int(choice) for choice in inst.attrs[0]])
        elif kind == "Annotate" and str(inst.attrs[0]) == _STRUCTURE:
            groups.append(_Group(inputs[0]))
        elif groups:
            group = groups[-1]
            if kind == TILE:
                group.tiles.append(place)
                group.max_innermost[place] = int(inst.attrs[1])
                of_tile[place] = group
                levels.update({factor: [(place, level)] for level, factor in enumerate(outputs)})
            elif kind == "Split":
                factors = inputs[1:]
                if all(factor in levels for factor in factors if factor is not None):
                    known = [
                        (loop, factor) for loop, factor in zip(outputs, factors, strict=True) if factor is not None
                    ]
                    levels.update({loop: levels[factor] for loop, factor in known})
            elif kind == "Fuse":
                if all(loop in levels for loop in inputs):
                    levels[outputs[0]] = [level for loop in inputs for level in levels[loop]]
            elif kind == "Bind" and inputs[0] in levels:
                its = levels[inputs[0]]
                if its:
                    of_tile[its[0][0]].bound.setdefault(str(inst.attrs[0]), its)
            elif kind == "Annotate" and str(inst.attrs[0]) == _FETCH:
                if inputs[1] in choices:
                    group.lanes[inputs[0]] = choices[inputs[1]]
            elif kind == "Annotate":
                _annotated(group, str(inst.attrs[0]), inputs, levels)
            elif kind == "CacheRead" and str(inst.attrs[1]).startswith("shared"):
                group.read.append((int(inst.attrs[0]), outputs[0]))
            elif kind == "CacheWrite" and str(inst.attrs[1]).startswith("shared"):
                group.written = outputs[0]
            elif kind == "StorageAlign":
                group.alignment[inputs[0]] = (int(inst.attrs[2]), int(inst.attrs[3]))
    return groups


def _annotated(group: _Group, key: str, inputs: list[Any], levels: Mapping[Any, list[Level]]) -> None:
    if key == _LEAST:
        group.least_threads = int(inputs[1])
    elif key == _MOST:
        group.most_threads = int(inputs[1])
    elif key == _WARP:
        group.is_of_warps = True
    elif key == _STAGES:
        group.copies = int(inputs[1][-1]) + 1
        group.pipelined = list(levels.get(inputs[0], ()))


def _tiling(group: _Group, trace: Any, mod: Any) -> Tiling | None:
    threads = [level for axis, levels in group.bound.items() if axis.startswith("threadIdx") for level in levels]
    if not group.tiles or not threads:
        return None
    insts = list(trace.insts)
    before = insts[: group.tiles[0]]
    schedule = Schedule(mod, seed=1, debug_mask=0, error_render_level="none")
    Trace(before, {}).apply_to_schedule(schedule, remove_postproc=False)
    there: dict[Any, Any] = {}
    for ours, its in zip(before, schedule.trace.insts, strict=True):
        there.update(zip(ours.outputs, its.outputs, strict=True))
    loops = {place: schedule.get(there[insts[place].inputs[0]]) for place in group.tiles}
    bound = {level: axis for axis, levels in group.bound.items() for level in levels}
    tiles = tuple(
        Tile(
            place,
            int(loop.extent),
            int(insts[place].attrs[0]),
            group.max_innermost[place],
            _inner(place, int(insts[place].attrs[0]), bound),
        )
        for place, loop in loops.items()
    )
    realize = loops[group.tiles[-1]].body
    variables = {
        iterator.var: value for iterator, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
    }
    shared = [
        Shared(_dimensions(region, variables, loops), element_bytes(region.source), group.alignment.get(block))
        for place, block in group.read
        for region in [realize.block.reads[place]]
    ]
    if group.written is not None:
        (region,) = realize.block.writes
        spatial = [tile for tile in tiles if any((tile.place, level) in bound for level in range(tile.num_levels))]
        rows = spatial[-_FRAGMENT_SIDES]
        free = [(rows.place, level) for level in range(rows.num_levels) if (rows.place, level) not in bound]
        shared.append(Shared(_dimensions(region, variables, loops), element_bytes(region.source), parts=tuple(free)))
    return Tiling(
        tiles=tiles,
        threads=tuple(threads),
        vthreads=tuple(level for axis, levels in group.bound.items() if axis.startswith("vthread") for level in levels),
        threads_of_each=_WARP_THREADS if group.is_of_warps else 1,
        least_threads=group.least_threads,
        most_threads=group.most_threads,
        shared=tuple(shared),
        choices=tuple(_lanes(group, realize, schedule.mod)),
        copies=group.copies,
        pipelined=tuple(group.pipelined),
    )


def _lanes(group: _Group, realize: Any, mod: Any) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Of each choice of how many elements are moved at once, its place and those that a GPU can load or store."""
    for place, block in group.read:
        if block in group.lanes:
            where, lanes = group.lanes[block]
            buffer = realize.block.reads[place].source
            yield where, _movable(lanes, element_bytes(buffer), is_in_rows=_lies_in_rows(buffer, mod))
    if group.written is not None and group.written in group.lanes:
        where, lanes = group.lanes[group.written]
        (region,) = realize.block.writes
        if not _goes_to_rows(region.source, mod):
            yield where, _movable(lanes, element_bytes(region.source), is_in_rows=False)


def _movable(lanes: Sequence[int], item_bytes: int, *, is_in_rows: bool) -> tuple[int, ...]:
    """Which of some numbers of elements a GPU moves at once."""
    # What does not lie side by side is gathered or scattered, by a vector of indices.
    widest = item_bytes if is_in_rows else max(item_bytes, _INDEX_BYTES)
    return tuple(
        one
        for one, number in enumerate(lanes)
        # Nothing moves three elements, and where a row does not end after them TVM cannot build it.
        if number * widest <= _VECTOR_BYTES and number & (number - 1) == 0
    )


def _lies_in_rows(buffer: Any, mod: Any) -> bool:
    """Whether as many elements of a buffer's row as are moved at once are neighbours where they come from, too."""
    store = next((one for one in _stores(mod["main"].body) if one.buffer.same_as(buffer)), None)
    if store is None:
        return True  # an argument
    reach = min(_MOST_LANES, int(buffer.shape[-1])) - 1
    return all(_goes_along(store.indices[-1], load.indices[-1], reach) for load in _loads(store))


def _goes_to_rows(buffer: Any, mod: Any) -> bool:
    """Whether neighbours along a buffer's last axis are neighbours where it is copied to, too."""
    return all(
        _goes_along(load.indices[-1], store.indices[-1], 1)
        for store in _stores(mod["main"].body)
        if not store.buffer.same_as(buffer)
        for load in _loads(store)
        if load.source.same_as(buffer)
    )


def _loads(store: Any) -> list[Any]:
    return [node for node in expressions(store.value) if type(node).__name__ == "TensorLoad"]


def _goes_along(axis: Any, index: Any, reach: int) -> bool:
    """Whether an index grows by as much as an axis, from 0 to so many steps of it."""
    low, high = interval(index, {hash(axis): (np.zeros(1), np.full(1, float(reach)))}, 1)
    return round(float(high[0] - low[0])) == reach


def _stores(stmt: Any) -> Iterator[Any]:
    """All stores of a statement and of what is below it."""
    if type(stmt).__name__ == "BufferStore":
        yield stmt
    realized = getattr(stmt, "block", None)
    for part in statements(stmt) if realized is None else [realized.body]:
        yield from _stores(part)


def _inner(place: int, num_levels: int, bound: Mapping[Level, str]) -> tuple[int, ...]:
    """Levels that one block of threads works on at a time: of a reduction all but the outermost, which is its loop."""
    axes = [bound.get((place, level), "") for level in range(num_levels)]
    if not any(axes):
        return tuple(range(1, num_levels))
    return tuple(level for level, axis in enumerate(axes) if not axis.startswith("blockIdx"))


def _dimensions(region: Any, values: Mapping[Any, Any], loops: Mapping[int, Any]) -> tuple[Dimension, ...]:
    return tuple(
        _dimension(axis, int(extent), values, loops)
        for axis, extent in zip(region.region, region.source.shape, strict=True)
    )


def _dimension(axis: Any, largest: int, values: Mapping[Any, Any], loops: Mapping[int, Any]) -> Dimension:
    """How far an index reaches for a step of each tiled loop; all of the dimension where it is not affine."""
    number = len(loops)
    highs = np.vstack([np.eye(number), [float(int(loop.extent)) - 1.0 for loop in loops.values()]])
    none = np.zeros(number + 1)
    of_loop = {hash(loop.loop_var): (none, highs[:, place]) for place, loop in enumerate(loops.values())}
    of_variable = {hash(variable): interval(value, of_loop, number + 1) for variable, value in values.items()}
    low, high = interval(axis.min, of_variable, number + 1)
    reach = high - low
    least = int(axis.extent)
    is_affine = abs(float(reach[:number] @ highs[number]) - float(reach[number])) < 0.5
    if not is_affine:
        return Dimension((), largest, largest)
    steps = [(place, round(step)) for place, step in zip(loops, reach[:number], strict=True) if round(step)]
    return Dimension(tuple(steps), least, max(largest, least))
