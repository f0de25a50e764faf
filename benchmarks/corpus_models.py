"""Networks that cost models learn from, beside those that benchmarks time, as ONNX files with random weights.

They have the published shapes; where a network repeats a block many times, some of the repetitions are left out, for
they bring no further program.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from benchmarks.graph import Graph


def resnet50(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """ResNet-50 (He et al., "Deep Residual Learning for Image Recognition", table 1)."""
    g = Graph("resnet50", seed)
    x = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, 64, 7, stride=2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, repeats in enumerate((3, 4, 6, 3)):
        for block in range(repeats):
            width, stride = 64 << stage, 2 if stage and not block else 1
            y = g.node("Relu", g.conv(x, channels, width, 1))
            y = g.node("Relu", g.conv(y, width, width, 3, stride=stride))
            y = g.conv(y, width, 4 * width, 1, gain=0.5)
            short = x if channels == 4 * width else g.conv(x, channels, 4 * width, 1, stride=stride, gain=1.0)
            x, channels = g.node("Relu", g.node("Add", y, short)), 4 * width
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    return g.model(g.node("Gemm", x, g.normal(1000, channels, fan_in=channels), g.constant(np.zeros(1000)), transB=1))


def squeezenet(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """SqueezeNet 1.1 (Iandola et al., "SqueezeNet", 2016, table 1, in its later form)."""
    g = Graph("squeezenet", seed)
    x = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, 64, 3, stride=2))
    channels = 64
    pooled = {0, 2, 4}
    for number, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        if number in pooled:
            x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        y = g.node("Relu", g.conv(x, channels, squeeze, 1))
        both = (g.node("Relu", g.conv(y, squeeze, expand, kernel)) for kernel in (1, 3))
        x, channels = g.node("Concat", *both, axis=1), 2 * expand
    return g.model(g.node("GlobalAveragePool", g.node("Relu", g.conv(x, channels, 1000, 1))))


def keyword_spotting(seed: int = 0) -> onnx.ModelProto:
    """DS-CNN, large (Zhang et al., "Hello Edge", 2017, table 6): depthwise-separable, over 49 x 10 cepstra."""
    g, width = Graph("ds-cnn", seed), 276
    weight = g.normal(width, 1, 10, 4, fan_in=40)
    x = g.node(
        "Conv", g.input("input", (1, 1, 49, 10)), weight, kernel_shape=[10, 4], strides=[2, 1], pads=[4, 1, 5, 2]
    )
    x = g.node("Relu", x)
    for number in range(5):
        x = g.node("Relu", g.conv(x, width, width, 3, stride=2 if number == 0 else 1, groups=width))
        x = g.node("Relu", g.conv(x, width, width, 1))
    return g.model(g.dense(g.node("Flatten", g.node("GlobalAveragePool", x)), width, 12))


def speech_features(samples: int = 8000, width: int = 256, seed: int = 0) -> onnx.ModelProto:
    """The feature encoder of wav2vec 2.0 (Baevski et al., NeurIPS 2020, section 2), half as wide: in 1-d."""
    g = Graph("wav2vec-encoder", seed)
    x, channels = g.input("input", (1, 1, samples)), 1
    for kernel, stride in ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)):
        weight = g.normal(width, channels, kernel, fan_in=channels * kernel)
        x = g.node("Relu", g.node("Conv", x, weight, kernel_shape=[kernel], strides=[stride]))
        channels = width
    return g.model(x)


def convnext(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """ConvNeXt-Tiny (Liu et al., CVPR 2022, table 9), one block of each stage."""
    g = Graph("convnext", seed)

    def over_channels(x: str, width: int) -> str:
        return g.layer_norm(g.node("Transpose", x, perm=[0, 2, 3, 1]), width)

    weight = g.normal(96, 3, 4, 4, fan_in=48)
    x = g.node("Conv", g.input("input", (1, 3, size, size)), weight, kernel_shape=[4, 4], strides=[4, 4])
    for stage in range(4):
        width = 96 << stage
        if stage:
            y = g.node("Transpose", over_channels(x, width // 2), perm=[0, 3, 1, 2])
            weight = g.normal(width, width // 2, 2, 2, fan_in=2 * width)
            x = g.node("Conv", y, weight, kernel_shape=[2, 2], strides=[2, 2])
        y = over_channels(g.conv(x, width, width, 7, groups=width), width)
        y = g.dense(y, width, 4 * width)
        erf = g.node("Add", g.node("Erf", g.node("Mul", y, g.constant(0.5**0.5))), g.constant(1.0))
        y = g.dense(g.node("Mul", g.node("Mul", y, erf), g.constant(0.5)), 4 * width, width)
        x = g.node("Add", x, g.node("Transpose", y, perm=[0, 3, 1, 2]))
    return g.model(g.dense(g.node("Flatten", g.node("GlobalAveragePool", x)), 768, 1000))


def densenet(size: int = 112, growth: int = 32, seed: int = 0) -> onnx.ModelProto:
    """The first two blocks of DenseNet-121 (Huang et al., CVPR 2017, table 1), with four of their layers each."""
    g = Graph("densenet", seed)
    x = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, 64, 7, stride=2))
    x, channels = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 64
    for _ in range(2):
        for _ in range(4):
            y = g.node("Relu", g.conv(x, channels, 4 * growth, 1))
            x, channels = g.node("Concat", x, g.conv(y, 4 * growth, growth, 3), axis=1), channels + growth
        x = g.node("Relu", g.conv(g.node("Relu", x), channels, channels // 2, 1))
        x, channels = g.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), channels // 2
    return g.model(g.node("GlobalAveragePool", x))


def regnet(size: int = 224, seed: int = 0) -> onnx.ModelProto:
    """RegNetX-400MF (Radosavovic et al., CVPR 2020, table 4): convolutions in groups of 16, two blocks a stage."""
    g = Graph("regnet", seed)
    x, channels = g.node("Relu", g.conv(g.input("input", (1, 3, size, size)), 3, 32, 3, stride=2)), 32
    for width in (32, 64, 160, 384):
        for block in range(2):
            stride = 1 if block else 2
            y = g.node("Relu", g.conv(x, channels, width, 1))
            y = g.node("Relu", g.conv(y, width, width, 3, stride=stride, groups=width // 16))
            y = g.conv(y, width, width, 1, gain=0.5)
            short = x if block else g.conv(x, channels, width, 1, stride=stride, gain=1.0)
            x, channels = g.node("Relu", g.node("Add", y, short)), width
    return g.model(g.dense(g.node("Flatten", g.node("GlobalAveragePool", x)), channels, 1000))


def gpt_step(past: int = 127, width: int = 768, heads: int = 12, seed: int = 0) -> onnx.ModelProto:
    """One token through a block of GPT-2's smallest size, with the keys and values of those before it."""
    g, size = Graph("gpt-step", seed), width // heads
    x = g.input("hidden", (1, 1, width))
    keys, values = (g.input(name, (1, heads, past, size)) for name in ("past_keys", "past_values"))
    normed = g.layer_norm(x, width)
    split = g.constant([1, heads, 1, size], np.int64)
    q, k, v = (g.node("Reshape", g.dense(normed, width, width), split) for _ in range(3))
    k, v = g.node("Concat", keys, k, axis=2), g.node("Concat", values, v, axis=2)
    scores = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2]))
    weights = g.node("Softmax", g.node("Mul", scores, g.constant(size**-0.5)), axis=-1)
    mixed = g.node("Reshape", g.node("MatMul", weights, v), g.constant([1, 1, width], np.int64))
    x = g.node("Add", x, g.dense(mixed, width, width))
    y = g.dense(g.layer_norm(x, width), width, 4 * width)
    erf = g.node("Add", g.node("Erf", g.node("Mul", y, g.constant(0.5**0.5))), g.constant(1.0))
    return g.model(
        g.node("Add", x, g.dense(g.node("Mul", g.node("Mul", y, erf), g.constant(0.5)), 4 * width, width)), k, v
    )


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "resnet50": resnet50,
    "squeezenet": squeezenet,
    "ds-cnn": keyword_spotting,
    "wav2vec-encoder": speech_features,
    "convnext": convnext,
    "densenet": densenet,
    "regnet": regnet,
    "gpt-step": gpt_step,
}
