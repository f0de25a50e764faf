"""The transforms of inputs and outputs as tensor programs, scheduled: vectors over channels, all else unrolled.

Each runs once over its data and takes a twentieth of what the products do, so that there is nothing to search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build

from search.networks.winograd.matrices import Filtering, Matrix

Padding = tuple[int, int, int, int]
"""Above, left, below, right."""

_OPAQUE = 8  # the operator pattern of what nothing is fused with
_TYPE = "float32"


@dataclass(frozen=True, slots=True)
class Tiles:
    """How images are cut into tiles."""

    filtering: Filtering
    images: int
    height: int  # of the input
    width: int
    padding: Padding

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the output."""
        top, left, bottom, right = self.padding
        return self.height + top + bottom - 2, self.width + left + right - 2

    @property
    def rows(self) -> int:
        """Tiles in a column."""
        return -(-self.out[0] // self.filtering.outputs)

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return -(-self.out[1] // self.filtering.outputs)

    @property
    def number(self) -> int:
        """Of all tiles."""
        return self.images * self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Step:
    """What follows a convolution, element by element."""

    apply: Callable[..., Any]  # of an expression and the element of what is given, if anything is
    shape: tuple[int, ...] | None = None  # of the tensor that is given: [filters], or as the output; None for none


def input_transform(tiles: Tiles, channels: int, lanes: int, num_cores: int) -> Any:
    """A program from images [images, height, width, channels] to matrices [points, tiles, channels].

    Args:
        tiles: How the images are cut.
        channels: A multiple of `lanes`.
        lanes: Of a vector.
        num_cores: That rows of tiles are shared among.
    """

    def body(x: Any, made: Any, at: _Place) -> None:
        (top, left, _, _), outputs = tiles.padding, tiles.filtering.outputs

        def element(i: int, j: int) -> Any:
            row, column = at.row * outputs + (i - top), at.column * outputs + (j - left)
            inside = [
                *_inside(row, i - top, (tiles.rows - 1) * outputs, tiles.height),
                *_inside(column, j - left, (tiles.columns - 1) * outputs, tiles.width),
            ]
            value = x[at.image, row, column, at.channel]
            if inside:
                value = build.if_then_else(_all(inside), value, tirx.const(0.0, _TYPE))
            return build.bind(value)

        for place, value in enumerate(_sandwich(tiles.filtering.of_inputs, element)):
            build.buffer_store(made, value, [place, at.tile, at.channel])

    shapes = [(tiles.images, tiles.height, tiles.width, channels), (tiles.filtering.points, tiles.number, channels)]
    return _program(shapes, tiles, channels, lanes, num_cores, body)


def output_transform(tiles: Tiles, filters: int, lanes: int, num_cores: int, steps: Sequence[Step] = ()) -> Any:
    """A program from products [points, tiles, filters], and what steps are given, to images.

    Args:
        tiles: How the images are cut.
        filters: A multiple of `lanes`.
        lanes: Of a vector.
        num_cores: That rows of tiles are shared among.
        steps: What is done to each element before it is stored.
    """

    def body(*arguments: Any) -> None:
        products, *given, made, at = arguments
        tile, outputs = tiles.filtering.tile, tiles.filtering.outputs
        left = iter(given)
        tensors = [None if step.shape is None else next(left) for step in steps]
        values = _sandwich(
            tiles.filtering.of_outputs, lambda i, j: build.bind(products[i * tile + j, at.tile, at.channel])
        )
        for number, value in enumerate(values):
            i, j = divmod(number, outputs)
            row, column = at.row * outputs + i, at.column * outputs + j
            place = [at.image, row, column, at.channel]
            inside = [
                *_inside(row, i, (tiles.rows - 1) * outputs, tiles.out[0]),
                *_inside(column, j, (tiles.columns - 1) * outputs, tiles.out[1]),
            ]
            with ExitStack() as conditions:
                if inside:
                    conditions.enter_context(build.If(_all(inside)))
                    conditions.enter_context(build.Then())
                made_of = value
                for step, tensor in zip(steps, tensors, strict=True):
                    elements = [] if tensor is None else [tensor[tuple(place[-len(tensor.shape) :])]]
                    made_of = step.apply(made_of, *elements)
                build.buffer_store(made, made_of, place)

    shapes = [
        (tiles.filtering.points, tiles.number, filters),
        *(step.shape for step in steps if step.shape is not None),
        (tiles.images, *tiles.out, filters),
    ]
    return _program(shapes, tiles, filters, lanes, num_cores, body)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the images a program is."""

    image: Any
    row: Any  # of tiles
    column: Any
    tile: Any
    channel: Any


def _program(
    shapes: Sequence[tuple[int, ...]],
    tiles: Tiles,
    channels: int,
    lanes: int,
    num_cores: int,
    body: Callable[..., None],
) -> Any:
    """A program that does `body` for each tile and vector of channels; the last of its tensors is its result."""
    with IRBuilder() as builder, build.prim_func():
        build.func_name("transform")
        build.func_attr({"op_pattern": _OPAQUE, "tirx.noalias": True, "tirx.is_scheduled": True})
        tensors = [build.arg(f"p{place}", build.Buffer(shape, _TYPE)) for place, shape in enumerate(shapes)]
        over_rows = build.parallel if num_cores > 1 else build.serial
        with (
            build.sblock("root"),
            over_rows(tiles.images * tiles.rows) as every,
            build.serial(tiles.columns) as column,
            build.serial(channels // lanes) as vector,
            build.sblock("tile"),
            build.vectorized(lanes) as lane,
        ):
            image, row = tirx.floordiv(every, tiles.rows), tirx.floormod(every, tiles.rows)
            place = _Place(image, row, column, every * tiles.columns + column, vector * lanes + lane)
            body(*tensors, place)
    return builder.get().without_attr("global_symbol")  # the module that it is added to names it


def _inside(position: Any, offset: int, last: int, extent: int) -> list[Any]:
    """What must hold for a position to be within an image; nothing where it always is.

    Args:
        position: From 0, by tiles.
        offset: From the beginning of its tile.
        last: Where the last tile begins.
        extent: Of the image.
    """
    found = []
    if offset < 0:
        found.append(position >= 0)
    if last + offset >= extent:
        found.append(position < extent)
    return found


def _all(conditions: Sequence[Any]) -> Any:
    first, *others = conditions
    for other in others:
        first = tirx.And(first, other)
    return first


def _sandwich(matrix: Matrix, element: Callable[[int, int], Any]) -> list[Any]:
    """The elements of matrix x matrix^T, row by row."""
    size, columns = len(matrix[0]), []
    for j in range(size):
        column = [element(i, j) for i in range(size)]
        columns.append([build.bind(_combination(row, column)) for row in matrix])
    return [
        _combination(right, [column[place] for column in columns]) for place in range(len(matrix)) for right in matrix
    ]


def _combination(weights: Sequence[float], values: Sequence[Any]) -> Any:
    """The sum of values times numbers that are mostly 0, 1 or -1."""
    total: Any = None
    for weight, value in zip(weights, values, strict=True):
        if not weight:
            continue
        term = value if abs(weight) == 1 else value * tirx.const(float(abs(weight)), _TYPE)
        if total is None:
            total = term if weight > 0 else tirx.const(0.0, _TYPE) - term
        else:
            total = total + term if weight > 0 else total - term
    return total
