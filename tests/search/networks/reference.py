"""What a network computes by ONNX's own reference, or by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import onnx
from onnx.reference import ReferenceEvaluator

from search.networks.network import Network


def evaluated(network: Network, inputs: dict[str, Any]) -> list[Any]:
    """The outputs of a network that was an ONNX model."""
    assert network.onnx is not None
    return list(ReferenceEvaluator(onnx.load_from_string(network.onnx)).run(None, inputs))


def by_onnx_runtime(model: str | bytes | None, inputs: dict[str, Any]) -> Any:
    """The first output of a model or a file, sums of 8-bit products right on processors without VNNI, too."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]
