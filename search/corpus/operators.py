"""Operators that a collection of measurements is made of: TVM's own test workloads and some of topi, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from tunedb.errors import BadInputError

# Of `tvm.s_tir.meta_schedule.testing.te_workload`: the name there, and the family that its workloads belong to.
_TE_WORKLOADS = {
    "batch_matmul_nkkm": "matmul",
    "matmul": "matmul",
    "matmul_relu": "matmul",
    "conv1d_nlc": "conv1d",
    "conv2d_nhwc": "conv2d",
    "conv2d_nchw": "conv2d",
    "conv2d_nhwc_bn_relu": "conv2d",
    "conv3d_ndhwc": "conv3d",
    "depthwise_conv2d_nhwc": "depthwise",
    "conv2d_transpose_nhwc": "conv2d_transpose",
    "conv2d_capsule_nhwijc": "capsule",
    "max_pool2d_nchw": "pooling",
    "norm_bmn": "norm",
    "softmax_mn": "softmax",
    "transpose_batch_matmul": "attention",
}


def _sum_rows(rows: int, columns: int) -> Sequence[Any]:
    from tvm import te, topi

    data = te.placeholder((rows, columns), name="data")
    return [data, topi.sum(data, axis=1)]


def _layer_norm(rows: int, columns: int) -> Sequence[Any]:
    from tvm import te, topi

    data = te.placeholder((rows, columns), name="data")
    scale, shift = (te.placeholder((columns,), name=name) for name in ("scale", "shift"))
    return [data, scale, shift, topi.nn.layer_norm(data, scale, shift, axis=[1])]


def _gelu_chain(rows: int, columns: int) -> Sequence[Any]:
    from tvm import te, topi

    data, other = (te.placeholder((rows, columns), name=name) for name in ("data", "other"))
    added = topi.add(data, other)
    return [data, other, topi.multiply(added, topi.sigmoid(topi.multiply(added, added)))]


def _transpose(rows: int, columns: int) -> Sequence[Any]:
    from tvm import te, topi

    data = te.placeholder((rows, columns), name="data")
    return [data, topi.transpose(data, (1, 0))]


def _stencil(rows: int, columns: int) -> Sequence[Any]:
    from tvm import te

    data = te.placeholder((rows, columns), name="data")
    places = ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1))
    mean = te.compute(
        (rows - 2, columns - 2),
        lambda i, j: sum(data[i + down, j + right] for down, right in places) * 0.2,
        name="mean",
    )
    return [data, mean]


def _distance(rows: int, columns: int, width: int) -> Sequence[Any]:
    from tvm import te

    one, other = te.placeholder((rows, width), name="one"), te.placeholder((columns, width), name="other")
    k = te.reduce_axis((0, width), name="k")
    far = te.compute(
        (rows, columns),
        lambda i, j: te.sum((one[i, k] - other[j, k]) * (one[i, k] - other[j, k]), axis=k),
        name="distance",
    )
    return [one, other, far]


def _mttkrp(rows: int, first: int, second: int, columns: int) -> Sequence[Any]:
    from tvm import te

    tensor = te.placeholder((rows, first, second), name="tensor")
    one, other = te.placeholder((first, columns), name="one"), te.placeholder((second, columns), name="other")
    k, m = te.reduce_axis((0, first), name="k"), te.reduce_axis((0, second), name="m")
    product = te.compute(
        (rows, columns), lambda i, j: te.sum(tensor[i, k, m] * one[k, j] * other[m, j], axis=[k, m]), name="mttkrp"
    )
    return [tensor, one, other, product]


def _local_response_norm(batch: int, channels: int, height: int, width: int, size: int) -> Sequence[Any]:
    from tvm import te, topi

    data = te.placeholder((batch, channels, height, width), name="data")
    return [data, topi.nn.lrn(data, size, 1, 1e-4, 0.75, 2.0)]


def _resize(batch: int, height: int, width: int, channels: int, factor: int) -> Sequence[Any]:
    from tvm import te, topi

    data = te.placeholder((batch, height, width, channels), name="data")
    size = (height * factor, width * factor)
    return [data, topi.image.resize2d(data, (0.0,) * 4, size, layout="NHWC", method="linear")]


_OWN: dict[str, tuple[str, Callable[..., Sequence[Any]]]] = {
    "sum_rows": ("reduction", _sum_rows),
    "layer_norm": ("norm", _layer_norm),
    "gelu_chain": ("elementwise", _gelu_chain),
    "transpose": ("elementwise", _transpose),
    "stencil": ("stencil", _stencil),
    "distance": ("distance", _distance),
    "mttkrp": ("contraction", _mttkrp),
    "local_response_norm": ("local_response_norm", _local_response_norm),
    "resize": ("resize", _resize),
}


def names() -> list[str]:
    """The operators that there are."""
    return sorted([*_TE_WORKLOADS, *_OWN])


def family(operator: str) -> str:
    """The family of an operator.

    Raises:
        BadInputError: There is no such operator.
    """
    _check(operator)
    return _OWN[operator][0] if operator in _OWN else _TE_WORKLOADS[operator]


def prim_func(operator: str, sizes: Sequence[int], dtype: str = "") -> Any:
    """An operator of some size as a PrimFunc.

    Args:
        operator: One of `names()`.
        sizes: Its arguments, in the order of TVM's function: extents, kernel, stride, padding and so on.
        dtype: The type of the inputs, where the operator leaves a choice ("int8" accumulates in int32); "" is float32.

    Raises:
        BadInputError: there is no such operator, or it takes no such arguments.
    """
    from tvm import te
    from tvm.s_tir.meta_schedule.testing import te_workload

    _check(operator)
    function = _OWN[operator][1] if operator in _OWN else getattr(te_workload, operator)
    options = {}
    if dtype:
        if "in_dtype" not in inspect.signature(function).parameters:
            raise BadInputError(f"the operator {operator!r} has no choice of dtype")
        options = {"in_dtype": dtype, "out_dtype": "int32" if dtype.startswith("int") else dtype}
    try:
        return te.create_prim_func(list(function(*sizes, **options)))
    except Exception as error:
        raise BadInputError(f"no {operator} of sizes {list(sizes)}: {str(error).splitlines()[-1]}") from error


def _check(operator: str) -> None:
    if operator not in _TE_WORKLOADS and operator not in _OWN:
        raise BadInputError(f"no operator {operator!r}: there are {', '.join(names())}")
