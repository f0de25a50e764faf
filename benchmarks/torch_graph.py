"""The networks of `benchmarks.models` in PyTorch, so that Inductor can be timed on them: the same graph and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def inductor(
    model: onnx.ModelProto, inputs: Mapping[str, np.ndarray[Any, Any]], device: str = "cpu"
) -> Callable[[], Any]:
    """One call of the network as Inductor compiles it, weights packed ahead.

    Args:
        model: A network of `benchmarks.models`.
        inputs: Its inputs by name.
        device: As PyTorch names it. On "cuda" inputs and outputs stay there, and Inductor tunes its own kernels.

    Raises:
        KeyError: It has an operator that is not written here.
    """
    import torch

    module = _module(model).to(device)
    given = [torch.from_numpy(np.ascontiguousarray(inputs[value.name])).to(device) for value in model.graph.input]
    options = {"freezing": True} if device == "cpu" else {"freezing": True, "max_autotune": True}
    exported = torch.export.export(module, tuple(given), strict=False)  # only operators are left for the compiler
    compiled = torch.compile(exported.module(), dynamic=False, options=options)

    def call() -> Any:
        with torch.no_grad():
            found = compiled(*given)
        if device != "cpu":
            torch.cuda.synchronize()  # a kernel is only begun by its call
        return found

    call()
    return call


def _module(model: onnx.ModelProto) -> Any:
    """The network as a module in evaluation mode; tracing it leaves only the operators."""
    import torch

    operators = _operators()
    graph = model.graph
    nodes = [(node, {one.name: helper.get_attribute_value(one) for one in node.attribute}) for node in graph.node]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.names = {}
            self.constants = {}  # shapes and bounds: numbers, not tensors
            for weight in graph.initializer:
                value = numpy_helper.to_array(weight)
                self.constants[weight.name] = value
                self.names[weight.name] = f"w{len(self.names)}"
                tensor = torch.from_numpy(value.copy())
                if tensor.is_floating_point():
                    self.register_parameter(self.names[weight.name], torch.nn.Parameter(tensor, requires_grad=False))
                else:
                    self.register_buffer(self.names[weight.name], tensor)

        def forward(self, *given: Any) -> Any:
            values = {value.name: tensor for value, tensor in zip(graph.input, given, strict=True)}
            values |= {name: getattr(self, attribute) for name, attribute in self.names.items()}
            for node, attributes in nodes:
                arguments = [values[name] for name in node.input]
                known = [self.constants.get(name) for name in node.input]
                values[node.output[0]] = operators[node.op_type](arguments, known, attributes)
            return tuple(values[value.name] for value in graph.output)

    return Network().eval()


def _operators() -> dict[str, Callable[[list[Any], list[Any], dict[str, Any]], Any]]:
    """ONNX's operators by their names: of tensors, of those of them that are constants, and of attributes."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    def conv(x: list[Any], _: Any, a: dict[str, Any]) -> Any:
        top, left, *_rest = a.get("pads", [0, 0, 0, 0])
        return F.conv2d(*x, stride=a.get("strides", [1, 1]), padding=(top, left), groups=a.get("group", 1))

    def pool(x: list[Any], _: Any, a: dict[str, Any]) -> Any:
        return F.max_pool2d(x[0], a["kernel_shape"], a["strides"], padding=tuple(a.get("pads", [0, 0])[:2]))

    def gemm(x: list[Any], _: Any, a: dict[str, Any]) -> Any:
        return F.linear(x[0], x[1] if a.get("transB") else x[1].T, x[2])

    return {
        "Conv": conv,
        "MaxPool": pool,
        "Gemm": gemm,
        "Relu": lambda x, k, a: F.relu(x[0]),
        "Clip": lambda x, k, a: torch.clamp(x[0], float(k[1]), float(k[2])),
        "Sigmoid": lambda x, k, a: torch.sigmoid(x[0]),
        "Erf": lambda x, k, a: torch.erf(x[0]),
        "Tanh": lambda x, k, a: torch.tanh(x[0]),
        "Add": lambda x, k, a: x[0] + x[1],
        "Mul": lambda x, k, a: x[0] * x[1],
        "Div": lambda x, k, a: x[0] / x[1],
        "MatMul": lambda x, k, a: x[0] @ x[1],
        "Softmax": lambda x, k, a: torch.softmax(x[0], a.get("axis", -1)),
        "Gather": lambda x, k, a: F.embedding(x[1], x[0]) if k[1] is None else x[0].select(a.get("axis", 0), int(k[1])),
        "GlobalAveragePool": lambda x, k, a: x[0].mean((2, 3), keepdim=True),
        "Flatten": lambda x, k, a: torch.flatten(x[0], a.get("axis", 1)),
        "Reshape": lambda x, k, a: x[0].reshape([int(extent) for extent in k[1]]),
        "Transpose": lambda x, k, a: x[0].permute(*a["perm"]),
        "LayerNormalization": lambda x, k, a: F.layer_norm(x[0], x[1].shape, x[1], x[2], a.get("epsilon", 1e-5)),
    }
