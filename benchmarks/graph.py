"""Writes networks as ONNX files with random weights, operator by operator, as exporters do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]


class Graph:
    """Writes one network: each call appends a node and gives the name of its output."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: tuple[int | str, ...], dtype: int = TensorProto.FLOAT) -> str:
        """An input of the network."""
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        """A weight of the network."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """One operator with one output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def normal(self, *shape: int, fan_in: int, gain: float = 2.0) -> str:
        """A weight of the variance gain / fan_in."""
        return self.constant(self.rng.normal(0.0, (gain / fan_in) ** 0.5, shape))

    def conv(
        self, x: str, channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, gain: float = 2.0
    ) -> str:
        """A convolution with bias and padding that keeps the size."""
        weight = self.normal(out, channels // groups, kernel, kernel, fan_in=channels // groups * kernel**2, gain=gain)
        bias = self.constant(self.rng.normal(0.0, 0.05, out))
        return self.node(
            "Conv",
            x,
            weight,
            bias,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def dense(self, x: str, width: int, out: int) -> str:
        """A matrix product over the last axis, with bias."""
        product = self.node("MatMul", x, self.normal(width, out, fan_in=width, gain=1.0))
        return self.node("Add", product, self.constant(self.rng.normal(0.0, 0.05, out)))

    def layer_norm(self, x: str, width: int) -> str:
        """A layer normalisation over the last axis."""
        scale = self.constant(self.rng.uniform(0.8, 1.2, width))
        return self.node("LayerNormalization", x, scale, self.constant(self.rng.normal(0.0, 0.05, width)), axis=-1)

    def model(self, *outputs: str, opset: int = 17) -> onnx.ModelProto:
        """The whole network, checked, with its shapes inferred."""
        shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, shapes, self.weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        made = onnx.shape_inference.infer_shapes(made, strict_mode=True)
        onnx.checker.check_model(made, full_check=True)
        return made
