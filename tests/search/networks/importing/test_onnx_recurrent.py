from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.reference import deviation
from tests.search.networks.importing.test_onnx_file import computed
from tunedb.errors import BadInputError

pytestmark = pytest.mark.tvm

Save = Callable[..., Path]
STEPS, BATCH, INPUTS, HIDDEN = 5, 2, 3, 4


def layer(kind: str, direction: str, outputs: int = 1, **attributes: Any) -> Any:
    """A network of one layer, which returns one of its outputs."""
    g = Graph(kind, 0)
    gates, directions = {"LSTM": 4, "GRU": 3}[kind], 2 if direction == "bidirectional" else 1
    x = g.input("x", (STEPS, BATCH, INPUTS))
    w = g.constant(g.rng.normal(size=(directions, gates * HIDDEN, INPUTS)))
    r = g.constant(g.rng.normal(size=(directions, gates * HIDDEN, HIDDEN)))
    b = g.constant(g.rng.normal(size=(directions, 2 * gates * HIDDEN)))
    names = [f"out{place}" if place == outputs else "" for place in range(outputs + 1)]
    g.nodes.append(
        helper.make_node(kind, [x, w, r, b], names, name="layer", hidden_size=HIDDEN, direction=direction, **attributes)
    )
    return g.model(names[-1])


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "outputs", "attributes"),
    [
        ("LSTM", 0, {}),
        ("LSTM", 2, {}),
        ("GRU", 0, {}),
        ("GRU", 0, {"linear_before_reset": 1}),
        ("GRU", 1, {"linear_before_reset": 1}),
    ],
)
def test_a_layer_is_unrolled(save: Save, kind: str, direction: str, outputs: int, attributes: dict[str, Any]) -> None:
    import onnxruntime

    path = save(layer(kind, direction, outputs, **attributes))
    given = {"x": np.random.default_rng(1).normal(size=(STEPS, BATCH, INPUTS)).astype(np.float32)}
    network = import_file(path)
    assert network.onnx is not None
    session = onnxruntime.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    assert deviation(computed(path, given), session.run(None, given)[0]) < 1e-6


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"clip": 1.0}, "it clips"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "activations are not the usual ones"),
    ],
)
def test_what_is_not_known_is_refused(save: Save, attributes: dict[str, Any], reason: str) -> None:
    path = save(layer("LSTM", "forward", **attributes))
    with pytest.raises(BadInputError, match=f"LSTM layer cannot be imported: .*{reason}"):
        import_file(path)
