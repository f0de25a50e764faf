"""Networks that are out of the ordinary, compiled without predictions and compared with ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from benchmarks.graph import Graph
from search.networks.arrays import random_arrays
from search.networks.compiling import Compiled, CompileOptions, compile_network
from search.networks.importing import import_file
from search.networks.runtime import Library
from search.networks.tasks import load_tasks
from tunedb.errors import BadInputError
from tunedb.records import Target

pytestmark = pytest.mark.tvm


@pytest.fixture
def made(save: Callable[..., Path], device: Any, target: Target, empty_store: Any) -> Callable[[Any], Compiled]:
    def compiled(model: Any) -> Compiled:
        path = save(model)
        return compile_network(
            import_file(path),
            path.with_suffix(".so"),
            store=empty_store,
            target=target,
            device=device,
            options=CompileOptions(predicts=False),
        )

    return compiled


def test_a_network_that_computes_nothing(made: Any, save: Any, target: Target) -> None:
    g = Graph("nothing", 0)
    model = g.model(g.node("Identity", g.input("x", (2, 3))))
    done = made(model)
    assert done.programs == ()
    assert done.manifest.verification is not None
    assert done.manifest.verification.agrees
    with pytest.raises(BadInputError, match="nothing to tune"):
        load_tasks(str(save(model)), None, target)


def test_an_output_whose_shape_depends_on_data(made: Any) -> None:
    g = Graph("nonzero", 0)
    x = g.input("x", (4, 4))
    found = g.node("NonZero", g.node("Relu", x))
    out = helper.make_tensor_value_info(found, TensorProto.INT64, (2, "n"))
    done = made(
        helper.make_model(
            helper.make_graph(g.nodes, "nonzero", g.inputs, [out], g.weights),
            opset_imports=[helper.make_opsetid("", 17)],
            ir_version=9,
        )
    )
    assert done.manifest.outputs[0].shape == (-1, -1)
    library = Library(done.path)
    given = random_arrays(library.manifest.inputs, seed=2)
    np.testing.assert_array_equal(*library.run(given).values(), np.array(np.nonzero(given["x"] > 0)))


def test_several_inputs_and_outputs(made: Any) -> None:
    g = Graph("several", 0)
    a, b = g.input("a", (2, 3)), g.input("b", (3,))
    done = made(g.model(g.node("Add", a, b), g.node("Mul", a, b)))
    library = Library(done.path)
    found = library.run({"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 3), np.float32)})
    total, product = found.values()
    np.testing.assert_array_equal(total, np.arange(3) + np.ones((2, 3)))
    np.testing.assert_array_equal(product, np.arange(3) * np.ones((2, 3)))


def test_functions_of_a_model_are_inlined(made: Any) -> None:
    g = Graph("functions", 0)
    twice = helper.make_function(
        "own", "Twice", ["v"], ["w"], [helper.make_node("Add", ["v", "v"], ["w"])], [helper.make_opsetid("", 17)]
    )
    x = g.input("x", (4,))
    nodes = [helper.make_node("Twice", [x], ["y"], domain="own")]
    graph = helper.make_graph(nodes, "g", g.inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, (4,))])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    done = made(helper.make_model(graph, opset_imports=opsets, functions=[twice], ir_version=9))
    (found,) = Library(done.path).run({"x": np.arange(4, dtype=np.float32)}).values()
    np.testing.assert_array_equal(found, 2 * np.arange(4))


def test_a_layer_of_an_lstm(made: Any) -> None:
    from tests.search.networks.importing.test_onnx_recurrent import layer

    done = made(layer("LSTM", "bidirectional"))
    assert done.manifest.verification is not None
    assert done.manifest.verification.agrees
    assert sum(program.calls for program in done.manifest.programs) > len(done.manifest.programs)
