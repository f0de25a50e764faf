"""The operators whose candidates a GPU must be able to run, in float32 and for tensor cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def product(rows: int, columns: int, depth: int, dtype: str = "float32", out: str = "float32", batch: int = 1) -> Any:
    """Products of two matrices, one for each of a batch."""
    from tvm import te

    a, b = te.placeholder((batch, rows, depth), dtype, "a"), te.placeholder((batch, depth, columns), dtype, "b")
    k = te.reduce_axis((0, depth), "k")
    c = te.compute(
        (batch, rows, columns), lambda z, i, j: te.sum(a[z, i, k].astype(out) * b[z, k, j].astype(out), axis=k), "c"
    )
    return te.create_prim_func([a, b, c])


def convolution(dtype: str = "float32") -> Any:
    """A convolution of 3 x 3 over 64 channels, channels last."""
    from tvm import te, tirx

    size, channels = 32, 64
    data, weight = te.placeholder((1, size, size, channels), dtype, "data"), te.placeholder((3, 3, 64, 64), dtype, "w")

    def padded(n: Any, y: Any, x: Any, c: Any) -> Any:
        inside = tirx.all(y >= 1, y <= size, x >= 1, x <= size)
        return tirx.if_then_else(inside, data[n, y - 1, x - 1, c], tirx.const(0, dtype))

    pad = te.compute((1, size + 2, size + 2, channels), padded, "pad")
    ry, rx, rc = te.reduce_axis((0, 3), "ry"), te.reduce_axis((0, 3), "rx"), te.reduce_axis((0, channels), "rc")
    out = te.compute(
        (1, size, size, 64),
        lambda n, y, x, f: te.sum(
            pad[n, y + ry, x + rx, rc].astype("float32") * weight[ry, rx, rc, f].astype("float32"), axis=[ry, rx, rc]
        ),
        "out",
    )
    return te.create_prim_func([data, weight, out])


def convolution_nchw(dtype: str = "float32") -> Any:
    """A convolution as a network brings it, channels first: bias and ReLU are fused with it."""
    from tvm import te, topi

    data, weight = te.placeholder((1, 64, 32, 32), dtype, "data"), te.placeholder((64, 64, 3, 3), dtype, "w")
    bias = te.placeholder((1, 64, 1, 1), dtype, "bias")
    out = topi.nn.conv2d_nchw(data, weight, 1, 1, 1, out_dtype=dtype)
    return te.create_prim_func([data, weight, bias, topi.nn.relu(topi.add(out, bias))])


def depthwise(dtype: str = "float32") -> Any:
    """A depthwise convolution of 3 x 3 over 128 channels."""
    from tvm import te, topi

    data, weight = te.placeholder((1, 56, 56, 128), dtype, "data"), te.placeholder((3, 3, 128, 1), dtype, "w")
    return te.create_prim_func([data, weight, topi.nn.depthwise_conv2d_nhwc(data, weight, 1, 1, 1, dtype)])


def softmax(dtype: str = "float32") -> Any:
    """Softmax over the rows of a matrix."""
    from tvm import te, topi

    data = te.placeholder((256, 256), dtype, "data")
    return te.create_prim_func([data, topi.nn.softmax(data)])


def layer_norm(dtype: str = "float32") -> Any:
    """Layer norm over the rows of a matrix."""
    from tvm import te, topi

    data, scale, shift = (te.placeholder(shape, dtype) for shape in ((128, 768), (768,), (768,)))
    return te.create_prim_func([data, scale, shift, topi.nn.layer_norm(data, scale, shift, axis=[1])])


def scores(dtype: str = "float32") -> Any:
    """Queries times keys of twelve heads of an attention, whose rows are both as long as a head is wide."""
    from tvm import te

    q, keys = (te.placeholder((12, 128, 64), dtype, name) for name in ("q", "keys"))
    d = te.reduce_axis((0, 64), "d")
    c = te.compute(
        (12, 128, 128), lambda h, i, j: te.sum(q[h, i, d].astype("float32") * keys[h, j, d].astype("float32"), d), "c"
    )
    return te.create_prim_func([q, keys, c])


PROGRAMS: dict[str, Callable[[], Any]] = {
    "matmul": lambda: product(512, 512, 512),
    "matmul of uneven sizes": lambda: product(197, 768, 768),
    "conv2d": convolution,
    "conv2d, channels first": convolution_nchw,
    "depthwise": depthwise,
    "softmax": softmax,
    "layer norm": layer_norm,
    "attention scores": scores,
    "batch matmul": lambda: product(128, 64, 128, batch=12),  # of an attention's weights with its values
    "matmul, float16": lambda: product(512, 512, 512, "float16"),
    "matmul, all float16": lambda: product(512, 512, 512, "float16", "float16"),
    "conv2d, float16": lambda: convolution("float16"),
    "conv2d, channels first, float16": lambda: convolution_nchw("float16"),
    "depthwise, float16": lambda: depthwise("float16"),
    "softmax, float16": lambda: softmax("float16"),
    "layer norm, float16": lambda: layer_norm("float16"),
    "attention scores, float16": lambda: scores("float16"),
    "batch matmul, float16": lambda: product(128, 64, 128, "float16", batch=12),
}


def context_of(program: Any, tag: str = "nvidia/nvidia-h100") -> Any:
    """The tune context of a program for a GPU."""
    from tvm.ir import IRModule
    from tvm.s_tir import meta_schedule as ms
    from tvm.target import Target

    from tunedb.metaschedule import intrinsics

    intrinsics.register_for("cuda", ("cuda", "gpu"))
    return ms.TuneContext(
        mod=IRModule({"main": program.with_attr("global_symbol", "main")}),
        target=Target(tag),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )


def spaces_of(context: Any, seed: int = 0) -> Any:
    """Its design spaces."""
    import numpy as np

    from search.space.spaces import DesignSpaces

    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))
