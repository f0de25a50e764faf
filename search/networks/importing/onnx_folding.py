"""Computes beforehand what of an ONNX graph is the same at each run: shapes, and all that is made of them.

Exporters write shapes as programs (Shape, Gather, Concat, ConstantOfShape, ...). Once the inputs' shapes are numbers,
all of it is constant, and what is left has the form that importers know.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LARGEST = 1 << 20  # elements of a result: a larger one is left to be computed, not kept
_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_WITH_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_TO_FLOATS = frozenset({"DequantizeLinear", "QuantizeLinear"})  # quantised weights stay so, for int8 arithmetic


def fold(model: Any) -> Any:
    """A model without the nodes whose inputs are all constants, and without those of static shapes.

    Args:
        model: An ONNX model with inferred shapes; it is changed.

    Returns:
        The model. What cannot be computed is left as it is.
    """
    from onnx import numpy_helper

    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    known: dict[str, Any] = {"": None}
    shapes = _static_shapes(graph)
    kept = []
    for node in graph.node:
        found = _computed(model, node, weights, known, shapes)
        if found is None:
            kept.append(node)
        else:
            known.update(found)
    used = {name for node in kept for name in (*node.input, *_outer_names(node))} | {out.name for out in graph.output}
    for name, value in known.items():
        if name in used and value is not None:
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
    del graph.node[:]
    graph.node.extend(kept)
    return model


def _computed(
    model: Any, node: Any, weights: dict[str, Any], known: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Any] | None:
    """The values of a node's outputs, by name; None where they are not constant or cannot be computed."""
    from onnx import numpy_helper

    if node.domain not in ("", "ai.onnx") or node.op_type in _RANDOM | _WITH_GRAPHS | _TO_FLOATS:
        return None
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        return _of_shape(node, shapes[node.input[0]])
    if node.op_type != "Constant" and not all(name in known or name in weights for name in node.input):
        return None
    large = [name for name in node.input if name in weights and np.prod(weights[name].dims) > _LARGEST]
    if large or any(np.prod(shapes.get(name, (1,))) > _LARGEST for name in node.output):
        return None
    values = [known[name] if name in known else numpy_helper.to_array(weights[name]) for name in node.input]
    try:
        found = _evaluated(model, node, values)
    except Exception:  # an operator that the reference does not know: it is left in the graph
        return None
    return dict(zip(node.output, found, strict=True)) if all(isinstance(one, np.ndarray) for one in found) else None


def _evaluated(model: Any, node: Any, values: list[Any]) -> list[Any]:
    """What ONNX's own reference makes of a node."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    given = {name: value for name, value in zip(node.input, values, strict=True) if name}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in given.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "constant", inputs, outputs)
    one = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return [np.asarray(value) for value in ReferenceEvaluator(one).run(None, given)]


def _of_shape(node: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    if node.op_type == "Size":
        return {node.output[0]: np.asarray(np.prod(shape, dtype=np.int64), dtype=np.int64)}
    chosen = {attribute.name: attribute.i for attribute in node.attribute}
    part = shape[chosen.get("start", 0) : chosen.get("end", len(shape))]
    return {node.output[0]: np.asarray(part, dtype=np.int64)}


def _static_shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    found = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(extent.HasField("dim_value") for extent in tensor.shape.dim):
            found[value.name] = tuple(extent.dim_value for extent in tensor.shape.dim)
    return found


def _outer_names(node: Any) -> set[str]:
    """What the graphs within a node take from outside, and more."""
    return {
        name
        for attribute in node.attribute
        for inner in attribute.g.node
        for name in (*inner.input, *_outer_names(inner))
    } | {out.name for attribute in node.attribute for out in attribute.g.output}
