"""A scheduled function as the loop nests that it runs, without lowering it.

Each leaf block gives one `Nest`: its loops from the innermost out, what it computes at each iteration, and for each of
its accesses how much of the buffer is touched at each depth of the nest. Depth d means the d innermost loops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.conditions import Decided, decided, variables
from costmodels.features.intervals import interval
from costmodels.features.packing import UnforeseenError, dimensions_of, touched, uneven_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.features.intervals import Interval

SERIAL, PARALLEL, VECTORIZED = 0, 1, 2  # of TVM's ForKind
LINE_BYTES = 64
PAGE_BYTES = 4096
SET_PERIODS = (4 * 1024, 64 * 1024)  # bytes after which addresses fall into the same set again: usual for L1 and L2
_NUM_SETS = np.array([[period / LINE_BYTES] for period in SET_PERIODS])
_REDUCTION = 2  # of TVM's IterVar types
_MATH_OPS = 10.0  # a call of exp, tanh and the like, in additions
_DIVISION_OPS = 4.0
_BYTES = {"int8": 1, "uint8": 1, "bool": 1, "float16": 2, "bfloat16": 2, "int64": 8, "float64": 8}
_UNROLL = "pragma_auto_unroll_max_step"
PACKING = "meta_schedule.layout_rewrite_preproc"
"""Annotation of a block that packs a constant: builders leave it out, compilers of networks run it beforehand."""


@dataclass(frozen=True, slots=True)
class Access:
    """One access of a block, at each of d + 1 depths."""

    writes: bool
    element_bytes: int
    elements: NDArray[np.float64]  # [d + 1] distinct elements touched
    run: NDArray[np.float64]  # [d + 1] of them, how many lie next to one another
    lines: NDArray[np.float64]  # [d + 1] cache lines
    pages: NDArray[np.float64]  # [d + 1] pages of 4 KiB
    set_conflicts: NDArray[np.float64]  # [caches, d + 1] lines that share a set, for sets that repeat as `SET_PERIODS`
    strides: NDArray[np.float64]  # [d] elements between what two successive iterations of each loop touch


@dataclass(frozen=True, slots=True)
class Nest:
    """A leaf block in its d loops."""

    name: str
    extents: NDArray[np.float64]  # [d] innermost first
    kinds: NDArray[np.int64]  # [d] TVM's ForKind
    reduces: NDArray[np.bool_]  # [d] whether the loop runs over a reduction axis
    unroll_step: int  # up to so many iterations LLVM is asked to unroll
    accesses: tuple[Access, ...]
    ops: float  # arithmetic of one iteration, in additions
    has_calls: bool = False  # of functions such as exp
    decided: Decided = field(default_factory=Decided)  # what is known of its conditions at compile time
    packed: tuple[int, ...] = ()  # hashes of the constants that it reads and that are yet to be packed

    @property
    def unrolled_depth(self) -> int:
        """How many of the innermost loops are unrolled or vectorised: TVM's pragma takes them while the product of
        their extents is within its step.
        """
        return unrolled_depth(self.extents, self.kinds, self.unroll_step)


def nests(module: Any, *, packs: bool = False) -> list[Nest]:
    """The loop nests of a scheduled module's function, in the order in which they run.

    What packs constants beforehand is left out: it runs when a network is compiled, not when it runs.

    Args:
        module: the module.
        packs: whether constants are yet to be packed; they are described as if they were.

    Raises:
        ValueError, TypeError: an extent is not a number (a shape that is known only when the program runs).
        UnforeseenError: nothing tells how a constant will be packed.
    """
    found = []
    for _, function in module.functions_items():
        free = _free_buffers(function) if packs else frozenset()
        read = [_nest(block, values, loops, step, free) for block, values, loops, step in _leaves(function.body, (), 0)]
        if sorted(buffer for nest in read for buffer in nest.packed) != sorted(free):
            raise UnforeseenError("a constant is read nowhere, or in several places")
        found += read
    return found


def _free_buffers(function: Any) -> frozenset[int]:
    """Hashes of the constants that may be packed."""
    places = (function.attrs or {}).get("layout_free_buffers", ())
    return frozenset(hash(function.params[int(place)]) for place in places)


def _leaves(stmt: Any, loops: tuple[Any, ...], step: int) -> Iterator[tuple[Any, Any, tuple[Any, ...], int]]:
    kind = type(stmt).__name__
    if kind == "For":
        inner: list[Any] = []
        while kind == "For":
            step = int(stmt.annotations.get(_UNROLL, step))
            inner.append(stmt)
            stmt = stmt.body
            kind = type(stmt).__name__
        yield from _leaves(stmt, (*reversed(inner), *loops), step)
    elif kind == "SBlockRealize":
        block = stmt.block
        step = int(block.annotations.get(_UNROLL, step))
        if PACKING in block.annotations:
            return
        if _has_blocks(block.body):
            yield from _leaves(block.body, loops, step)
        else:
            yield block, stmt.iter_values, loops, step
    else:
        for child in statements(stmt):
            yield from _leaves(child, loops, step)


def _has_blocks(stmt: Any) -> bool:
    kind = type(stmt).__name__
    return kind in ("For", "SBlockRealize") or any(_has_blocks(child) for child in statements(stmt))


def statements(stmt: Any) -> list[Any]:
    """The statements right below a statement."""
    kind = type(stmt).__name__
    if kind == "SeqStmt":
        return list(stmt.seq)
    if kind == "IfThenElse":
        return [part for part in (stmt.then_case, stmt.else_case) if part is not None]
    body = getattr(stmt, "body", None)
    return [] if body is None else [body]


def _nest(block: Any, values: Any, loops: tuple[Any, ...], step: int, free: frozenset[int] = frozenset()) -> Nest:
    extents = np.asarray([int(loop.extent) for loop in loops], dtype=np.float64)
    kinds = np.asarray([int(loop.kind) for loop in loops], dtype=np.int64)
    names = [hash(loop.loop_var) for loop in loops]
    iter_vars = list(block.iter_vars)
    axes = [(hash(axis.var), value) for axis, value in zip(iter_vars, values, strict=True)]
    of_loops = _of_loops(names, extents)
    of_variable = of_loops | {axis: interval(value, of_loops, 2 * len(loops) + 2) for axis, value in axes}
    reduced = {
        loop
        for axis, (_, value) in zip(iter_vars, axes, strict=True)
        if int(axis.iter_type) == _REDUCTION
        for loop in variables(value)
    }
    found, ops, has_calls = _accesses(block)
    accesses, packed = [], []
    places = {name: (place, int(extents[place])) for place, name in enumerate(names)} if free else {}
    units = {hash(axis.var) for axis in iter_vars if free and _extent(axis.dom.extent) == 1}
    without_units = {name: one for name, one in of_variable.items() if name not in units}  # TVM simplifies them away
    for buffer, region, writes in found:
        if free and hash(buffer) in free:
            accesses.append(_packed(buffer, [index for index, _ in region], dict(axes), places, without_units))
            packed.append(hash(buffer))
        else:
            accesses.append(_touched(buffer, region, writes, of_variable, len(loops) + 1))
    return Nest(
        str(block.name_hint),
        extents,
        kinds,
        np.asarray([name in reduced for name in names], dtype=np.bool_),
        step,
        tuple(accesses),
        ops,
        has_calls,
        decided(_conditions(block.body), axes, loops, unrolled_depth(extents, kinds, step)),
        tuple(packed),
    )


def _of_loops(names: Sequence[int], extents: NDArray[np.float64]) -> dict[int, Interval]:
    """Loop variables as intervals [2 (d + 1)]: at all depths, and at the origin and one step of each loop away.

    Args:
        names: their hashes, innermost first.
        extents: of their loops.
    """
    depths = len(names) + 1
    lows = np.zeros((len(names), 2 * depths))
    highs = np.zeros((len(names), 2 * depths))
    for place in range(len(names)):
        lows[place, depths + place + 1] = highs[place, depths + place + 1] = 1.0
        highs[place, place + 1 : depths] = extents[place] - 1.0
    return {name: (lows[place], highs[place]) for place, name in enumerate(names)}


def unrolled_depth(extents: NDArray[np.float64], kinds: NDArray[np.int64], step: int) -> int:
    """The depth from which all loops are unrolled; what `Nest.unrolled_depth` holds."""
    unrolled = 1.0
    for place, (extent, kind) in enumerate(zip(extents.tolist(), kinds.tolist(), strict=True)):
        if kind == PARALLEL:
            return place
        if kind != VECTORIZED:
            if extent > 1 and unrolled * extent > step:
                return place
            unrolled *= extent
    return len(extents)


def _conditions(node: Any) -> list[Any]:
    """The condition of each outermost `if_then_else`, and of those nested in what it admits."""
    from tvm import tirx

    if type(node).__name__ == "Call" and "if_then_else" in str(getattr(node.op, "name", "")):
        condition, admitted = node.args[0], node.args[1]
        nested = _conditions(admitted)
        return [tirx.And(condition, inner) for inner in nested] or [condition]
    return [condition for part in _below(node) for condition in _conditions(part)]


def _accesses(block: Any) -> tuple[list[tuple[Any, list[tuple[Any, int]], bool]], float, bool]:
    """Distinct accesses (buffer, (index, extent) of each dimension, whether it writes), arithmetic, if it calls."""
    import tvm_ffi

    found: dict[tuple[str, int, bool], tuple[Any, list[tuple[Any, int]], bool]] = {}
    ops, has_calls = 0.0, False
    for node in expressions(block.body):
        kind = type(node).__name__
        if kind in ("TensorLoad", "BufferStore"):
            buffer = node.source if kind == "TensorLoad" else node.buffer
            writes = kind == "BufferStore"
            key = (str(buffer.name), int(tvm_ffi.structural_hash(node.indices)), writes)
            found.setdefault(key, (buffer, [(index, 1) for index in node.indices], writes))
        else:
            ops += _OPS.get(kind, 0.0)
            if kind == "Call":
                name = str(getattr(node.op, "name", ""))
                is_free = "if_then_else" in name or "likely" in name
                ops += _MATH_OPS if not is_free else 0.5 if "if_then_else" in name else 0.0
                has_calls = has_calls or not is_free
    if len(block.match_buffers):  # a tensor intrinsic: its body is about windows, the block's regions about buffers
        return (
            [
                (region.source, [(axis.min, int(axis.extent)) for axis in region.region], writes)
                for regions, writes in ((block.reads, False), (block.writes, True))
                for region in regions
            ],
            ops,
            has_calls,
        )
    return list(found.values()), ops, has_calls


_OPS = {
    **dict.fromkeys(("Add", "Sub", "Max", "Min", "Mul"), 1.0),
    "Div": _DIVISION_OPS,
    **dict.fromkeys(("Select", "LT", "LE", "GT", "GE", "EQ", "NE", "And", "Or", "FloorDiv", "FloorMod"), 0.5),
}


def expressions(node: Any) -> Iterator[Any]:
    """A node and what is below it. Index arithmetic is not looked into: the compiler takes it out of the loop."""
    for part in _below(node):
        yield from expressions(part)
    yield node


_COMPARISONS = ("EQ", "NE", "LT", "LE", "GT", "GE", "And", "Or")
_OF_TWO = frozenset(("Add", "Sub", "Mul", "Div", "Mod", "FloorDiv", "FloorMod", "Min", "Max", *_COMPARISONS))


def _below(node: Any) -> list[Any]:
    kind = type(node).__name__
    if kind in ("Var", "IntImm", "FloatImm", "StringImm", "TensorLoad"):
        return []
    if kind in _OF_TWO:
        return [node.a, node.b]
    if kind == "BufferStore":
        return [node.value]
    if kind == "Call":
        return list(node.args)
    if kind == "Select":
        return [node.condition, node.true_value, node.false_value]
    if kind == "IfThenElse":
        return [node.condition, *statements(node)]
    if kind == "SeqStmt":
        return list(node.seq)
    parts = (getattr(node, name, None) for name in ("a", "b", "value", "body"))
    return [part for part in parts if part is not None]


def _touched(
    buffer: Any,
    region: list[tuple[Any, int]],
    writes: bool,
    of_variable: dict[int, Interval],
    depths: int,
) -> Access:
    shape = [_extent(extent) for extent in buffer.shape] or [1]
    widths = []
    address: Any = np.zeros(depths)
    for (index, extent), limit in zip(region, shape, strict=False):
        low, high = interval(index, of_variable, 2 * depths)
        widths.append(np.minimum(high[:depths] - low[:depths] + extent, limit))
        address = address * limit + low[depths:]
    return _access(writes, element_bytes(buffer), shape, widths or [np.ones(depths)], address)


def _packed(
    buffer: Any,
    indices: Sequence[Any],
    axes: dict[int, Any],
    places: dict[int, tuple[int, int]],
    of_variable: dict[int, Interval],
) -> Access:
    """What a block reads of a constant that is yet to be packed.

    Raises:
        UnforeseenError: nothing tells how it will be packed.
    """
    depths, shape = len(places) + 1, [_extent(extent) for extent in buffer.shape]
    try:
        dimensions = dimensions_of(indices, shape, axes, places)
    except UnforeseenError:
        long = [place for place, extent in enumerate(shape) if extent > 1]
        width = uneven_part(indices[long[0]], axes, places) if len(long) == 1 else None
        if width is None:
            raise
    else:
        points = [interval(index, of_variable, 2 * depths)[0][depths:] for index in indices]
        return _access(False, element_bytes(buffer), *touched(dimensions, depths, points))
    index, extent = indices[long[0]], shape[long[0]]
    outer, inner = (interval(part, of_variable, 2 * depths) for part in (index // width, index % width))
    widths = [high[:depths] - low[:depths] + 1 for low, high in (outer, inner)]
    address = outer[0][depths:] * width + inner[0][depths:]
    return _access(False, element_bytes(buffer), [-(-extent // width), width], widths, address)


def _access(
    writes: bool, size: int, shape: list[int], widths: list[NDArray[np.float64]], address: NDArray[np.float64]
) -> Access:
    """What a block touches of a buffer.

    Args:
        writes: whether it writes.
        size: bytes of an element.
        shape: of the buffer.
        widths: how many places of each dimension [depths].
        address: in elements, at the origin and one step of each loop away [depths].
    """
    elements = run = widths[-1]
    whole = run >= shape[-1]
    for width, limit in zip(widths[-2::-1], shape[-2::-1], strict=False):
        elements = width * elements
        run = np.where(whole, run * width, run)
        whole = whole & (width >= limit)
    runs = elements / run
    lines = runs * np.ceil(run * size / LINE_BYTES)
    pages = runs * np.ceil(run * size / PAGE_BYTES)
    conflicts = lines / _sets(widths, shape, size, lines / runs)
    strides = address[1:] - address[0]
    return Access(writes, size, elements, run, lines, np.minimum(pages, lines), conflicts, strides)


def element_bytes(buffer: Any) -> int:
    """Bytes of an element of a buffer or of its type."""
    return _BYTES.get(str(buffer.dtype), 4)


def _sets(
    widths: list[NDArray[np.float64]], shape: list[int], size: int, lines_of_run: NDArray[np.float64]
) -> NDArray[np.float64]:
    """About how many sets of each cache [caches, d + 1] lines fall into: rows a power of two apart meet in few."""
    sets = np.minimum(lines_of_run, _NUM_SETS)
    stride = size * shape[-1]
    for width, limit in zip(widths[-2::-1], shape[-2::-1], strict=False):
        apart = [[period // math.gcd(stride, period)] for period in SET_PERIODS]
        sets = sets * np.minimum(width, apart)
        stride *= limit
    return np.asarray(np.minimum(np.maximum(sets, 1.0), _NUM_SETS))


def _extent(extent: Any) -> int:
    try:
        return int(extent)
    except (TypeError, ValueError):
        return 1 << 30  # known only when the program runs: no limit
