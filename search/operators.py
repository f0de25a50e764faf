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


_OWN: dict[str, tuple[str, Callable[..., Sequence[Any]]]] = {
    "sum_rows": ("reduction", _sum_rows),
    "layer_norm": ("norm", _layer_norm),
    "gelu_chain": ("elementwise", _gelu_chain),
    "transpose": ("elementwise", _transpose),
}


def names() -> list[str]:
    """The operators that there are."""
    return sorted([*_TE_WORKLOADS, *_OWN])


def family(operator: str) -> str:
    """The family of an operator. Raises: BadInputError: there is no such operator."""
    _check(operator)
    return _OWN[operator][0] if operator in _OWN else _TE_WORKLOADS[operator]


def prim_func(operator: str, sizes: Sequence[int], dtype: str = "") -> Any:
    """An operator of some size as a PrimFunc.

    Args:
        operator: one of `names()`.
        sizes: its arguments, in the order of TVM's function: extents, kernel, stride, padding and so on.
        dtype: of the inputs, where the operator leaves a choice ("int8" accumulates in int32); "" is float32.

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
