"""QLinearConv and QLinearMatMul, which TVM's importer lacks: dequantised, computed and quantised again."""

from __future__ import annotations

from typing import Any

import numpy as np


def dequantize(model: Any) -> Any:
    """A model without them; it is changed.

    Args:
        model: An ONNX model. What has scales that are no constants stays.
    """
    from onnx import numpy_helper

    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "QLinearConv" and all(name in weights for name in node.input[1:]):
            values = {name: numpy_helper.to_array(weights[name]) for name in node.input[1:]}
            nodes += _conv(graph, node, values)
        elif node.op_type == "QLinearMatMul":
            nodes += _matmul(node)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _conv(graph: Any, node: Any, values: dict[str, Any]) -> list[Any]:
    from onnx import helper, numpy_helper

    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = node.input[:8]
    out = node.output[0]
    names = [f"{out}_{part}" for part in ("x", "weight", "float")]
    inputs = [names[0], names[1]]
    if len(node.input) > 8:  # of int32, whose scale is that of the products
        bias = values[node.input[8]].astype(np.float32) * (values[x_scale] * values[w_scale]).reshape(-1)
        inputs.append(f"{out}_bias")
        graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), inputs[-1]))
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return [
        helper.make_node("DequantizeLinear", [x, x_scale, x_zero], [names[0]]),
        helper.make_node("DequantizeLinear", [w, w_scale, w_zero], [names[1]], axis=0),
        helper.make_node("Conv", inputs, [names[2]], name=node.name, **attributes),
        helper.make_node("QuantizeLinear", [names[2], y_scale, y_zero], [out]),
    ]


def _matmul(node: Any) -> list[Any]:
    from onnx import helper

    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = node.input
    out = node.output[0]
    names = [f"{out}_{part}" for part in ("a", "b", "float")]
    return [
        helper.make_node("DequantizeLinear", [a, a_scale, a_zero], [names[0]]),
        helper.make_node("DequantizeLinear", [b, b_scale, b_zero], [names[1]]),
        helper.make_node("MatMul", names[:2], [names[2]], name=node.name),
        helper.make_node("QuantizeLinear", [names[2], y_scale, y_zero], [out]),
    ]
