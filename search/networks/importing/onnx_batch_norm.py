"""Folds batch norms into the convolutions before them, biased or not: TVM does so for those without bias only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

_USUAL_EPSILON = 1e-5


def fold_batch_norms(model: Any) -> Any:
    """A model whose batch norms behind convolutions are part of these; it is changed.

    Args:
        model: An ONNX model. What has several readers, or weights that are no constants, stays.
    """
    from onnx import numpy_helper

    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input) + Counter(out.name for out in graph.output)
    made_by = {name: node for node in graph.node for name in node.output}
    kept = []
    for node in graph.node:
        conv = made_by.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or not _may_be_folded(conv, node, weights, uses):
            kept.append(node)
            continue
        scale, shift, mean, variance = (numpy_helper.to_array(weights[name]) for name in node.input[1:5])
        attributes = {one.name: one for one in node.attribute}
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else _USUAL_EPSILON
        factor = scale / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
        w = numpy_helper.to_array(weights[conv.input[1]])
        b = numpy_helper.to_array(weights[conv.input[2]]) if len(conv.input) > 2 else np.zeros_like(mean)
        names = [f"{node.output[0]}_weight", f"{node.output[0]}_bias"]
        shaped = factor.reshape(-1, *[1] * (w.ndim - 1))
        for name, value in zip(names, (w * shaped, (b - mean) * factor + shift), strict=True):
            graph.initializer.append(numpy_helper.from_array(value.astype(w.dtype), name))
        conv.input[1:] = names
        conv.output[0] = node.output[0]
    del graph.node[:]
    graph.node.extend(kept)
    return model


def _may_be_folded(conv: Any, norm: Any, weights: dict[str, Any], uses: Counter[str]) -> bool:
    return (
        conv.op_type == "Conv"
        and uses[conv.output[0]] == 1
        and len([name for name in norm.output if name]) == 1
        and all(name in weights for name in (*conv.input[1:], *norm.input[1:]))
    )
