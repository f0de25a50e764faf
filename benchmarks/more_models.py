"""Networks of other kinds than the three of the bars, as ONNX files with random weights; see `benchmarks.models`.

They are reported the same way: a network that loses to another runtime is named first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from benchmarks.graph import Graph


def efficientnet_b0(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """EfficientNet-B0 (Tan, Le, "EfficientNet", ICML 2019, table 1), squeeze-and-excitation blocks among it."""
    g = Graph("efficientnet-b0", seed)

    def swish(x: str) -> str:
        return g.node("Mul", x, g.node("Sigmoid", x))

    x = swish(g.conv(g.input("input", (1, 3, size, size)), 3, 32, 3, stride=2))
    channels = 32
    stages = [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]
    for expansion, out, repeats, first, kernel in stages:
        for number in range(repeats):
            stride, wide = first if number == 0 else 1, channels * expansion
            y = x if expansion == 1 else swish(g.conv(x, channels, wide, 1))
            y = swish(g.conv(y, wide, wide, kernel, stride=stride, groups=wide))
            squeezed = swish(g.conv(g.node("GlobalAveragePool", y), wide, max(1, channels // 4), 1))
            y = g.node("Mul", y, g.node("Sigmoid", g.conv(squeezed, max(1, channels // 4), wide, 1)))
            y = g.conv(y, wide, out, 1, gain=2.0)
            x = g.node("Add", x, y) if stride == 1 and channels == out else y
            channels = out
    x = g.node("Flatten", g.node("GlobalAveragePool", swish(g.conv(x, channels, 1280, 1))))
    return g.model(g.node("Gemm", x, g.normal(1000, 1280, fan_in=1280), g.constant(np.zeros(1000)), transB=1))


def unet(size: int = 128, width: int = 32, depth: int = 3, seed: int = 0) -> onnx.ModelProto:
    """A U-Net (Ronneberger et al., MICCAI 2015, figure 1) with padded convolutions and transposed ones upwards."""
    g = Graph("unet", seed)

    def twice(x: str, channels: int, out: int) -> str:
        x = g.node("Relu", g.conv(x, channels, out, 3))
        return g.node("Relu", g.conv(x, out, out, 3))

    x, channels, kept = g.input("input", (1, 3, size, size)), 3, []
    for level in range(depth):
        x, channels = twice(x, channels, width << level), width << level
        kept.append(x)
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x, channels = twice(x, channels, 2 * channels), 2 * channels
    for level in reversed(range(depth)):
        weight = g.normal(channels, channels // 2, 2, 2, fan_in=channels, gain=1.0)
        x = g.node("ConvTranspose", x, weight, kernel_shape=[2, 2], strides=[2, 2])
        x = twice(g.node("Concat", kept[level], x, axis=1), channels, channels // 2)
        channels //= 2
    return g.model(g.conv(x, channels, 2, 1))


def _attention(g: Graph, x: str, tokens: int, width: int, heads: int, *, mask: str = "") -> str:
    """Self-attention of one sequence [1, tokens, width], with its products in and out."""
    split = g.constant([1, tokens, heads, width // heads], np.int64)
    q, k, v = (g.node("Reshape", g.dense(x, width, width), split) for _ in range(3))
    q, v = (g.node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
    k = g.node("Transpose", k, perm=[0, 2, 3, 1])
    scores = g.node("Mul", g.node("MatMul", q, k), g.constant((width / heads) ** -0.5))
    if mask:
        scores = g.node("Add", scores, mask)
    mixed = g.node("Transpose", g.node("MatMul", g.node("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    return g.dense(g.node("Reshape", mixed, g.constant([1, tokens, width], np.int64)), width, width)


def _feed_forward(g: Graph, x: str, width: int) -> str:
    y = g.dense(x, width, 4 * width)
    erf = g.node("Add", g.node("Erf", g.node("Mul", y, g.constant(0.5**0.5))), g.constant(1.0))
    return g.dense(g.node("Mul", g.node("Mul", y, erf), g.constant(0.5)), 4 * width, width)


def vit_tiny(size: int = 224, patch: int = 16, width: int = 192, layers: int = 4, seed: int = 0) -> onnx.ModelProto:
    """ViT-Tiny (Touvron et al., "DeiT", ICML 2021, table 1), with 4 of its 12 layers: the rest are like them."""
    g = Graph("vit-tiny", seed)
    heads, tokens = 3, (size // patch) ** 2
    x = g.input("input", (1, 3, size, size))
    weight = g.normal(width, 3, patch, patch, fan_in=3 * patch**2, gain=1.0)
    x = g.node("Conv", x, weight, kernel_shape=[patch, patch], strides=[patch, patch])
    x = g.node("Transpose", g.node("Reshape", x, g.constant([1, width, tokens], np.int64)), perm=[0, 2, 1])
    x = g.node("Add", x, g.normal(1, tokens, width, fan_in=1, gain=0.05))
    for _ in range(layers):
        x = g.node("Add", x, _attention(g, g.layer_norm(x, width), tokens, width, heads))
        x = g.node("Add", x, _feed_forward(g, g.layer_norm(x, width), width))
    pooled = g.node("ReduceMean", g.layer_norm(x, width), axes=[1], keepdims=0)
    return g.model(g.dense(pooled, width, 1000))


def gpt_block(tokens: int = 128, width: int = 768, heads: int = 12, seed: int = 0) -> onnx.ModelProto:
    """One block of GPT-2 (Radford et al., 2019), its smallest size: causal attention over a prompt."""
    g = Graph("gpt-block", seed)
    x = g.input("hidden", (1, tokens, width))
    mask = g.constant(np.triu(np.full((1, 1, tokens, tokens), -1e9), 1))
    x = g.node("Add", x, _attention(g, g.layer_norm(x, width), tokens, width, heads, mask=mask))
    return g.model(g.node("Add", x, _feed_forward(g, g.layer_norm(x, width), width)))


def lstm(steps: int = 32, width: int = 256, seed: int = 0) -> onnx.ModelProto:
    """One LSTM layer over a sequence, and a product (Hochreiter, Schmidhuber, 1997)."""
    g = Graph("lstm", seed)
    x = g.input("input", (steps, 1, width))
    weights = [g.normal(1, 4 * width, width, fan_in=width, gain=1.0) for _ in range(2)]
    y = g.node("LSTM", x, *weights, hidden_size=width)
    y = g.node("Reshape", y, g.constant([steps, width], np.int64))
    return g.model(g.dense(y, width, 64))


def int8_resnet(size: int = 112, width: int = 64, seed: int = 0) -> onnx.ModelProto:
    """Two stages of ResNet-18 as quantizers write them: QuantizeLinear and DequantizeLinear at each tensor."""
    g = Graph("int8-resnet", seed)

    def through(x: str, scale: float) -> str:
        levels = g.constant(scale), g.constant(0, np.int8)
        return g.node("DequantizeLinear", g.node("QuantizeLinear", x, *levels), *levels)

    def conv(x: str, channels: int, out: int, kernel: int, stride: int = 1) -> str:
        weights = g.rng.normal(0.0, (2.0 / (channels * kernel**2)) ** 0.5, (out, channels, kernel, kernel))
        scale = float(np.abs(weights).max()) / 127
        quantized = g.constant(np.round(weights / scale), np.int8)
        weight = g.node("DequantizeLinear", quantized, g.constant(scale), g.constant(0, np.int8))
        shape = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": [kernel // 2] * 4}
        return g.node("Conv", through(x, 0.05), weight, **shape)

    x = g.node("Relu", conv(g.input("input", (1, 3, size, size)), 3, width, 7, 2))
    channels = width
    for stage in range(2):
        for block in range(2):
            out, stride = width << stage, 2 if stage and not block else 1
            y = conv(g.node("Relu", conv(x, channels, out, 3, stride)), out, out, 3)
            short = x if stride == 1 else conv(x, channels, out, 1, stride)
            x, channels = g.node("Relu", g.node("Add", y, short)), out
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    return g.model(g.dense(x, channels, 1000))


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "efficientnet-b0": efficientnet_b0,
    "unet": unet,
    "vit-tiny": vit_tiny,
    "gpt-block": gpt_block,
    "lstm": lstm,
    "int8-resnet": int8_resnet,
}
