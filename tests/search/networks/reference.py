"""What a network computes by ONNX's own reference."""

from __future__ import annotations

from typing import Any

import onnx
from onnx.reference import ReferenceEvaluator

from search.networks.network import Network


def evaluated(network: Network, inputs: dict[str, Any]) -> list[Any]:
    """The outputs of a network that was an ONNX model."""
    assert network.onnx is not None
    return list(ReferenceEvaluator(onnx.load_from_string(network.onnx)).run(None, inputs))
