"""A convolution of bytes, channels last, written such that MetaSchedule finds the hardware's dot product in it.

Each instruction adds to 16 sums the products of 4 channels: weights are packed that way, and channels filled up with
zeros. A product of matrices is the convolution of a kernel of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build

NAME = "int8_conv"  # of the programs: what is summed in them is exact
FILTERS = 16  # sums of an instruction
CHANNELS = 4  # products of each
_FUSABLE = 4  # the operator pattern of what elementwise operators are fused with


@dataclass(frozen=True, slots=True)
class Shape:
    """A convolution's extents."""

    images: int
    height: int  # of the input
    width: int
    channels: int
    filters: int  # a multiple of FILTERS
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # above, left, below, right

    @property
    def groups(self) -> int:
        """Of channels."""
        return -(-self.channels // CHANNELS)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the input with its padding."""
        top, left, bottom, right = self.padding
        return self.height + top + bottom, self.width + left + right

    @property
    def out(self) -> tuple[int, int, int, int]:
        """Of the output: images, height, width, filters."""
        rows, columns = (
            (extent - kernel) // stride + 1
            for extent, kernel, stride in zip(self.padded, self.kernel, self.strides, strict=True)
        )
        return self.images, rows, columns, self.filters


def packed(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Weights [rows, columns, channels, filters] as [filters / 16, rows, columns, groups, 16, 4]."""
    rows, columns, channels, filters = weights.shape
    groups = -(-channels // CHANNELS)
    filled = np.zeros((rows, columns, groups * CHANNELS, filters), np.int8)
    filled[:, :, :channels] = weights
    parts = filled.reshape(rows, columns, groups, CHANNELS, filters // FILTERS, FILTERS)
    return np.ascontiguousarray(parts.transpose(4, 0, 1, 2, 5, 3))


def convolution(shape: Shape, zero: int) -> Any:
    """A program from bytes [images, height, width, channels] and packed weights to int32 sums.

    Args:
        shape: Its extents.
        zero: The byte that stands for 0, with which the input is padded.
    """
    images, rows, columns, filters = shape.out
    top, left, _, _ = shape.padding
    vertical, horizontal = shape.strides
    whole = (shape.images, *shape.padded, shape.groups * CHANNELS)
    needs_padding = whole != (shape.images, shape.height, shape.width, shape.channels)
    with IRBuilder() as builder, build.prim_func(s_tir=True):
        build.func_name(NAME)
        build.func_attr({"op_pattern": _FUSABLE, "tirx.noalias": True})
        given = (shape.images, shape.height, shape.width, shape.channels)
        x = build.arg("x", build.Buffer(_wide(given), "uint8"))
        packing = (filters // FILTERS, *shape.kernel, shape.groups, FILTERS, CHANNELS)
        weights = build.arg("weights", build.Buffer(_wide(packing), "int8"))
        made = build.arg("made", build.Buffer(_wide(shape.out), "int32"))
        with build.sblock("root"):
            source = x
            if needs_padding:
                source = build.sblock_alloc_buffer(_wide(whole), "uint8")
                with build.grid(*_wide(whole)) as loops, build.sblock("pad"):
                    place = [build.axis.spatial(extent, loop) for extent, loop in zip(_wide(whole), loops, strict=True)]
                    image, row, column, channel = place
                    row, column = row - top, column - left
                    inside = tirx.all(
                        row >= 0, row < shape.height, column >= 0, column < shape.width, channel < shape.channels
                    )
                    build.reads([x[image, row, column, channel]])
                    build.writes([source[tuple(place)]])
                    value = build.if_then_else(inside, x[image, row, column, channel], tirx.const(zero, "uint8"))
                    build.buffer_store(source, value, place)
            extents = (images, rows, columns, filters // FILTERS, *shape.kernel, shape.groups, FILTERS, CHANNELS)
            with build.grid(*_wide(extents)) as loops, build.sblock("conv"):
                image, row, column, part, i, j, group, lane, byte = (
                    (build.axis.reduce if place in (4, 5, 6, 8) else build.axis.spatial)(extent, loop)
                    for place, (extent, loop) in enumerate(zip(_wide(extents), loops, strict=True))
                )
                to = [image, row, column, part * FILTERS + lane]
                taken = source[image, row * vertical + i, column * horizontal + j, group * CHANNELS + byte]
                weight = weights[part, i, j, group, lane, byte]
                build.reads([taken, weight])
                build.writes([made[tuple(to)]])
                with build.init():
                    build.buffer_store(made, tirx.const(0, "int32"), to)
                product = tirx.Cast("int32", taken) * tirx.Cast("int32", weight)
                build.buffer_store(made, made[tuple(to)] + product, to)
    return builder.get().without_attr("global_symbol")  # the module that it is added to names it


def _wide(extents: Sequence[int]) -> list[Any]:
    """Extents as Relax has them."""
    return [tirx.const(extent, "int64") for extent in extents]
