"""The networks that benchmarks and the demo compile, as ONNX files with random weights.

    python -m benchmarks.models resnet18 mobilenetv2 bert-tiny --out /tmp/models

They have the published shapes and are written operator by operator, as exporters write them (batch norms folded into
convolutions), so that no framework need be installed. Weights are drawn so that activations keep their scale from layer
to layer: a network whose output is all zeros would verify nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from benchmarks import corpus_models, more_models
from benchmarks.graph import Graph


def resnet18(size: int = 224, width: int = 64, seed: int = 0) -> onnx.ModelProto:
    """ResNet-18 (He et al., "Deep Residual Learning for Image Recognition", table 1)."""
    g = Graph("resnet18", seed)
    x = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, width, 7, stride=2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = width
    for stage in range(4):
        for block in range(2):
            out, stride = width << stage, 2 if stage and not block else 1
            y = g.node("Relu", g.conv(x, channels, out, 3, stride=stride))
            y = g.conv(y, out, out, 3, gain=0.5)
            short = x if stride == 1 else g.conv(x, channels, out, 1, stride=stride, gain=1.0)
            x, channels = g.node("Relu", g.node("Add", y, short)), out
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    return g.model(g.node("Gemm", x, g.normal(1000, channels, fan_in=channels), g.constant(np.zeros(1000)), transB=1))


def mobilenetv2(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2)."""
    g = Graph("mobilenetv2", seed)
    low, high = g.constant(0.0), g.constant(6.0)

    def relu6(x: str) -> str:
        return g.node("Clip", x, low, high)

    x = relu6(g.conv(g.input("input", (1, 3, size, size)), 3, 32, 3, stride=2))
    channels = 32
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, out, repeats, first in stages:
        for number in range(repeats):
            stride, wide = first if number == 0 else 1, channels * expansion
            y = x if expansion == 1 else relu6(g.conv(x, channels, wide, 1))
            y = relu6(g.conv(y, wide, wide, 3, stride=stride, groups=wide))
            y = g.conv(y, wide, out, 1, gain=1.0)
            x = g.node("Add", x, y) if stride == 1 and channels == out else y
            channels = out
    x = relu6(g.conv(x, channels, 1280, 1))
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    return g.model(g.node("Gemm", x, g.normal(1000, 1280, fan_in=1280), g.constant(np.zeros(1000)), transB=1))


def bert_tiny(tokens: int = 128, width: int = 128, layers: int = 2, seed: int = 0) -> onnx.ModelProto:
    """BERT-tiny (Turc et al., "Well-Read Students Learn Better", table 1): 2 layers of width 128 with 2 heads."""
    g = Graph("bert-tiny", seed)
    heads, vocabulary = 2, 30522
    ids = g.input("input_ids", (1, tokens), TensorProto.INT64)
    x = g.node("Gather", g.normal(vocabulary, width, fan_in=1, gain=1.0), ids)
    x = g.layer_norm(g.node("Add", x, g.normal(1, tokens, width, fan_in=1, gain=1.0)), width)
    split = g.constant([1, tokens, heads, width // heads], np.int64)
    merged = g.constant([1, tokens, width], np.int64)
    for _ in range(layers):
        q, k, v = (g.node("Reshape", g.dense(x, width, width), split) for _ in range(3))
        q, v = (g.node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
        k = g.node("Transpose", k, perm=[0, 2, 3, 1])
        scores = g.node("Div", g.node("MatMul", q, k), g.constant((width / heads) ** 0.5))
        mixed = g.node("Transpose", g.node("MatMul", g.node("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = g.layer_norm(g.node("Add", x, g.dense(g.node("Reshape", mixed, merged), width, width)), width)
        y = g.dense(x, width, 4 * width)
        erf = g.node("Add", g.node("Erf", g.node("Div", y, g.constant(2.0**0.5))), g.constant(1.0))
        y = g.node("Mul", g.node("Mul", y, erf), g.constant(0.5))
        x = g.layer_norm(g.node("Add", x, g.dense(y, 4 * width, width)), width)
    first = g.node("Gather", x, g.constant(0, np.int64), axis=1)
    return g.model(g.node("Tanh", g.dense(first, width, width)))


def small(size: int = 56, seed: int = 0) -> onnx.ModelProto:
    """A few layers of each kind, for demonstrations."""
    g = Graph("small", seed)
    x = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, 32, 3, stride=2))
    y = g.node("Relu", g.conv(x, 32, 64, 3, stride=2))
    x = g.node("Relu", g.conv(y, 64, 64, 3))
    x = g.node("Flatten", g.node("GlobalAveragePool", g.node("Add", x, y)))
    return g.model(g.node("Softmax", g.dense(x, 64, 10), axis=-1))


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "resnet18": resnet18,
    "mobilenetv2": mobilenetv2,
    "bert-tiny": bert_tiny,
    "small": small,
    **more_models.MODELS,
    **corpus_models.MODELS,
}


def write(name: str, folder: Path) -> Path:
    """Writes a network's file, if it is not there, and gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    if not path.exists():
        onnx.save(MODELS[name](), path)
    return path


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=MODELS)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    for name in chosen.names:
        print(write(name, chosen.out))


if __name__ == "__main__":
    main()
