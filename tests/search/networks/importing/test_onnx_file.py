from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from benchmarks.graph import Graph
from search.networks.importing import import_file
from search.networks.network import TensorSpec
from tunedb.errors import BadInputError, NotFoundError, UsageError

pytestmark = pytest.mark.tvm

Save = Callable[..., Path]


def dense(shape: tuple[int | str, ...]) -> Any:
    g = Graph("dense", 0)
    return g.model(g.node("Relu", g.dense(g.input("x", shape), 8, 4)))


def computed(path: Path, inputs: dict[str, Any], **shapes: Any) -> Any:
    """What a network computes when nothing of it is scheduled."""
    import tvm

    network = import_file(path, shapes)
    machine = tvm.relax.VirtualMachine(tvm.compile(network.mod, target="llvm"), tvm.cpu())
    return machine["main"](*(tvm.runtime.tensor(inputs[one.name]) for one in network.inputs)).numpy()


def test_inputs_and_outputs_are_told(save: Save) -> None:
    network = import_file(save(dense((2, 8)), "two.onnx"))
    assert network.name == "two"
    assert network.inputs == (TensorSpec("x", "float32", (2, 8)),)
    assert len(network.outputs) == 1


def test_a_dynamic_shape_is_refused_until_it_is_fixed(save: Save) -> None:
    path = save(dense(("batch", 8)))
    with pytest.raises(UsageError, match=r"input x is dynamic \(batchx8\).*--shape x=1x8"):
        import_file(path)
    assert import_file(path, {"x": (3, 8)}).inputs[0].shape == (3, 8)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"y": (1, 8)}, "no input 'y'; its inputs are x"),
        ({"x": (1, 9)}, "1x9 does not fit the input x: 8 is not 9"),
        ({"x": (8,)}, "does not fit the input x of 2 dimensions"),
        ({"x": (0, 8)}, "an extent of the input x is 0"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(save: Save, shapes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        import_file(save(dense(("batch", 8))), shapes)


def test_two_shapes_are_two_networks(save: Save) -> None:
    path = save(dense(("batch", 8)))
    one, other = (import_file(path, {"x": (size, 8)}).digest for size in (1, 2))
    assert one != other
    assert one == import_file(path, {"x": (1, 8)}).digest


def test_weights_may_lie_beside_the_model(save: Save) -> None:
    inside = save(dense((1, 8)), "inside.onnx")
    outside = save(dense((1, 8)), "outside.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    x = {"x": np.ones((1, 8), np.float32)}
    np.testing.assert_array_equal(computed(inside, x), computed(outside, x))
    assert import_file(inside).digest == import_file(outside).digest
    outside.with_name("weights").unlink()
    with pytest.raises(BadInputError, match="external data cannot be read"):
        import_file(outside)


def test_shapes_that_are_programs_are_constants(save: Save) -> None:
    g = Graph("shapes", 0)
    x = g.input("x", ("batch", 6))
    batch = g.node("Gather", g.node("Shape", x), g.constant([0], np.int64), axis=0)
    shape = g.node("Concat", batch, g.constant([2, 3], np.int64), axis=0)
    filled = g.node("ConstantOfShape", shape, value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0]))
    y = g.node("Mul", g.node("Reshape", x, shape), filled)
    given = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(computed(save(g.model(y)), {"x": given}, x=(2, 6)), 2 * given.reshape(2, 2, 3))


def test_a_scalar_that_is_computed_stays_a_scalar(save: Save) -> None:
    g = Graph("scalar", 0)
    x = g.input("x", ("batch", 6))
    place = g.node(
        "Sub", g.node("Gather", g.node("Shape", x), g.constant(0, np.int64), axis=0), g.constant(1, np.int64)
    )
    given = np.arange(12, dtype=np.float32).reshape(2, 6)
    path = save(g.model(g.node("Gather", x, place, axis=0)))
    np.testing.assert_array_equal(computed(path, {"x": given}, x=(2, 6)), given[1])


@pytest.mark.parametrize("opset", [6, 11, 17])
def test_clip_carries_a_layout_on(save: Save, opset: int) -> None:
    g = Graph("clip", 0)
    x = g.input("x", (1, 4))
    bounds = () if opset < 11 else (g.constant(-1.0), g.constant(1.0))
    y = g.node("Clip", x, *bounds, **({"min": -1.0, "max": 1.0} if opset < 11 else {}))
    path = save(g.model(y, opset=opset))
    text = import_file(path).mod.script()
    assert "R.maximum" in text
    assert "call_tir" not in text
    given = np.array([[-3.0, -0.5, 0.5, 3.0]], np.float32)
    np.testing.assert_array_equal(computed(path, {"x": given}), given.clip(-1, 1))


def test_the_greatest_of_three_is_taken_in_pairs(save: Save) -> None:
    g = Graph("greatest", 0)
    x = g.input("x", (1, 3))
    path = save(g.model(g.node("Max", x, g.constant([[0.0, 1.0, 2.0]]), g.constant(0.5))))
    assert "stack" not in import_file(path).mod.script()
    given = np.array([[-1.0, 3.0, 0.0]], np.float32)
    np.testing.assert_array_equal(computed(path, {"x": given}), [[0.5, 3.0, 2.0]])


def test_importers_of_tvm_are_left_as_they_were(save: Save) -> None:
    from tvm.relax.frontend.onnx import onnx_frontend

    before = onnx_frontend.Clip.__dict__["_impl_v13"]
    import_file(save(dense((1, 8))))
    assert onnx_frontend.Clip.__dict__["_impl_v13"] is before


def test_what_cannot_be_imported_is_named(save: Save) -> None:
    g = Graph("odd", 0)
    x = g.input("x", (1, 8))
    g.nodes.append(helper.make_node("MyOp", [x], ["y"], name="mine", domain="com.acme"))
    g.nodes.append(helper.make_node("Relu", ["y"], ["z"]))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 2)]
    graph = helper.make_graph(
        g.nodes, "odd", g.inputs, [helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 8))], g.weights
    )
    path = save(helper.make_model(graph, opset_imports=opsets, ir_version=9))
    with pytest.raises(BadInputError, match=r"com.acme.MyOp \(opset 2; mine\).*extract_model"):
        import_file(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"\x00garbage")
    with pytest.raises(BadInputError, match="not a valid ONNX model"):
        import_file(garbage)
    with pytest.raises(NotFoundError, match="no such file"):
        import_file(tmp_path / "absent.onnx")
    with pytest.raises(UsageError, match="not a network in a known format"):
        import_file(tmp_path / "net.tflite")


def test_nothing_is_printed(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    g = Graph("bad", 0)
    x = g.input("x", (1, 8))
    path = save(g.model(g.node("Reshape", x, g.constant([2, 4], np.int64))))
    import_file(path)
    assert capsys.readouterr().out == ""


def external(folder: Path, rows: int) -> Path:
    """A look-up in a table that lies beside the model, and a product."""
    from onnx import TensorProto, helper

    g = Graph("external", 0)
    table = np.arange(rows * 64, dtype=np.float32).reshape(rows, 64) / (rows * 64)
    table.tofile(folder / "table.data")
    beside = TensorProto(
        name="table", data_type=TensorProto.FLOAT, dims=table.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", "table.data"), ("offset", "0"), ("length", str(table.nbytes))):
        entry = beside.external_data.add()
        entry.key, entry.value = key, value
    g.weights.append(beside)
    found = g.node("Gather", "table", g.input("ids", (1, 4), TensorProto.INT64))
    outputs = [helper.make_tensor_value_info(g.dense(found, 64, 3), TensorProto.FLOAT, (1, 4, 3))]
    graph = helper.make_graph(g.nodes, "external", g.inputs, outputs, g.weights)
    path = folder / "external.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_model_that_is_larger_than_a_message_is_checked_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = external(tmp_path, 100)
    ids = np.array([[0, 3, 7, 99]])
    small = computed(path, {"ids": ids})
    assert import_file(path).onnx is not None
    monkeypatch.setattr("search.networks.importing.onnx_file._MOST_BYTES", 1000)
    assert import_file(path).onnx is None
    np.testing.assert_array_equal(computed(path, {"ids": ids}), small)


@pytest.mark.slow
def test_weights_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    network = import_file(external(tmp_path, 8_700_000))
    assert network.onnx is None
    assert [spec.name for spec in network.inputs] == ["ids"]
