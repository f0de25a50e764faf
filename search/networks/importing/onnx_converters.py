"""Converters of TVM's ONNX importer that are replaced while it works: the same results with operators of Relax's own.

What TVM writes as tensor programs of its own stops a layout from being carried on, and is fused with nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from tvm import relax
from tvm.relax.frontend.onnx import onnx_frontend


@contextlib.contextmanager
def replaced() -> Iterator[None]:
    """TVM's importer has our converters inside."""
    clip, extremes = onnx_frontend.Clip, onnx_frontend.MultiInputBase
    mended = {
        (clip, "_impl_v1"): _clip_of_attributes,
        (clip, "_impl_v11"): _clip,
        (clip, "_impl_v13"): _clip,
        (extremes, "_impl_v1"): _of_many(extremes.__dict__["_impl_v1"].__func__),
    }
    before = {(owner, name): owner.__dict__[name] for owner, name in mended}
    try:
        for (owner, name), converter in mended.items():
            setattr(owner, name, classmethod(converter))
        yield
    finally:
        for (owner, name), converter in before.items():
            setattr(owner, name, converter)


def _clip(cls: Any, bb: Any, inputs: Any, attr: Any, params: Any) -> Any:
    """Clip of constants as maximum and minimum; TVM emits a loop of its own for each."""
    del cls, attr, params
    value = inputs[0]
    for bound, operator, unbounded in (
        (inputs[1], relax.op.maximum, -np.inf),
        (inputs[2], relax.op.minimum, np.inf),
    ):
        if bound is not None:
            value = bb.normalize(operator(value, _without_nan(bb, bound, unbounded)))
    return value


def _clip_of_attributes(cls: Any, bb: Any, inputs: Any, attr: Any, params: Any) -> Any:
    """Clip as opsets below 11 write it."""
    dtype = str(inputs[0].ty.dtype)
    bounds = [relax.const(attr[name], dtype) if name in attr else None for name in ("min", "max")]
    return _clip(cls, bb, [inputs[0], *bounds], attr, params)


def _without_nan(bb: Any, bound: Any, unbounded: float) -> Any:
    """A bound that is NaN bounds nothing, as ONNX Runtime takes it."""
    data = getattr(bound, "value", None)
    if data is not None and not np.isnan(data.numpy().astype(np.float64)).any():
        return bound
    return onnx_frontend.Clip._sanitize_nan_clip_bound(bb, bound, for_min=unbounded < 0)


def _of_many(stock: Any) -> Any:
    """Max, Min and Sum in pairs; TVM stacks their inputs and reduces the stack."""

    def converted(cls: Any, bb: Any, inputs: Any, attr: Any, params: Any) -> Any:
        operator = {
            "Max": relax.op.maximum,
            "Min": relax.op.minimum,
            "Sum": relax.op.add,
        }.get(cls.__name__)
        if operator is None or all(hasattr(value, "value") for value in inputs):
            return stock(cls, bb, inputs, attr, params)
        return reduce(lambda one, other: bb.normalize(operator(one, other)), inputs)

    return converted
