import sys
from pathlib import Path

import pytest

from search.networks.tasks import chosen_tasks, joined, load_tasks, pinned
from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.records import Target

pytestmark = pytest.mark.tvm

PROGRAM = """
import tvm
from tvm import te

def matmul():
    a = te.placeholder((8, 8), name="a")
    b = te.placeholder((8, 8), name="b")
    k = te.reduce_axis((0, 8))
    return te.create_prim_func([a, b, te.compute((8, 8), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k))])

def module():
    return tvm.IRModule({"one": matmul(), "two": matmul()})

value = matmul()
number = 3

def wrong():
    return 3

def broken():
    raise RuntimeError("out of ideas")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_python_functions_and_values_become_tasks(program: Path, target: Target) -> None:

    (task,) = load_tasks(f"{program}:matmul", None, target)
    assert [gv.name_hint for gv in task.mod.get_global_vars()] == ["main"]
    assert task.mod["main"].attrs["global_symbol"] == "main"
    assert len(load_tasks(f"{program}:value", None, target)) == 1
    assert [task.name for task in load_tasks(f"{program}:module", None, target)] == ["one", "two"]


def test_what_cannot_be_tuned_is_refused_with_a_reason(program: Path, target: Target) -> None:

    for spec, error, reason in [
        (f"{program}:absent", NotFoundError, "absent"),
        (f"{program.parent / 'other.py'}:f", NotFoundError, "no such file"),
        (f"{program}:number", UsageError, "int"),
        (f"{program}:wrong", UsageError, "int"),
        (f"{program}:broken", BadInputError, "out of ideas"),
        (str(program), UsageError, "which function"),
        (str(program.parent / "absent.onnx"), NotFoundError, "no such file"),
        ("123abc", NotFoundError, "123abc"),
    ]:
        with pytest.raises(error, match=reason):
            load_tasks(spec, None, target)


def test_an_onnx_model_becomes_tasks(tmp_path: Path, target: Target) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((16, 8), dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Softmax", ["y"], ["z"], axis=-1)],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 16])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 8])],
        [weight],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    tasks = load_tasks(str(path), None, target)
    assert len(tasks) >= 1
    assert any("matmul" in task.name for task in tasks)

    (tmp_path / "garbage.onnx").write_bytes(b"\x00garbage")
    with pytest.raises(BadInputError, match="not a valid ONNX"):
        load_tasks(str(tmp_path / "garbage.onnx"), None, target)


def test_a_workload_of_the_store_becomes_a_task(target: Target, small_matmul: object) -> None:
    import dataclasses

    import tvm_ffi

    from tunedb.identity import content_hash
    from tunedb.metaschedule.replay import workload_from_module
    from tunedb.store.memory import MemoryStore

    workload, module = workload_from_module(small_matmul)
    store = MemoryStore()
    store.append([], workloads=[workload], modules=[module])
    (task,) = load_tasks(workload.workload_id[:10], store, target)
    assert tvm_ffi.structural_equal(task.mod, small_matmul)
    (task,) = load_tasks(module.structural_hash, store, target)
    assert tvm_ffi.structural_equal(task.mod, small_matmul)

    # A buffer whose type is itself: TVM's parser ends with a segmentation fault, which must not be ours.
    nodes = module.module_json.replace(b'"tirx.Var"', b'"tirx.PrimFunc"').replace(b'"ir.Var"', b'"tirx.PrimFunc"')
    other = dataclasses.replace(workload, workload_id="f" * 32)
    foreign = dataclasses.replace(
        module, workload_id="f" * 32, module_json=nodes, module_id=content_hash("module", nodes), structural_hash="1"
    )
    store.append([], workloads=[other], modules=[foreign])
    with pytest.raises(NotFoundError, match="cannot be tuned here"):
        load_tasks("ffff", store, target)


@pytest.mark.parametrize("name", ["search", "tvm", "json", "numpy", "_socket", "tunedb"])
def test_a_file_named_like_a_module_does_not_take_its_place(tmp_path: Path, target: Target, name: str) -> None:
    import importlib

    before = importlib.import_module(name)
    file = tmp_path / f"{name}.py"
    file.write_text(
        "import json, tvm\nfrom tvm import te\nimport neighbour\n\ndef small():\n"
        "    x = te.placeholder((json.loads('8'),), name='x')\n"
        "    return te.create_prim_func([x, te.compute((8,), lambda i: x[i] + neighbour.ONE, name='y')])\n"
    )
    (tmp_path / "neighbour.py").write_text("ONE = 1.0\n")
    try:
        (task,) = load_tasks(f"{file}:small", None, target)
    finally:
        sys.modules.pop("neighbour", None)
        sys.path.remove(str(tmp_path))
    assert task.name == "small"
    assert importlib.import_module(name) is before is sys.modules[name]


@pytest.mark.parametrize("body", ["import sys\nsys.exit(3)\n", "import sys\ndef small():\n    sys.exit('no')\n"])
def test_a_file_that_exits_is_bad_input(tmp_path: Path, target: Target, body: str) -> None:
    file = tmp_path / "model.py"
    file.write_text(body)
    with pytest.raises(BadInputError, match=r"model\.py.*calls sys\.exit\((3|'no')\)"):
        load_tasks(f"{file}:small", None, target)


def test_tasks_are_chosen_by_name(program: Path, target: Target) -> None:
    tasks = load_tasks(f"{program}:module", None, target)
    assert [task.name for task in chosen_tasks(tasks, [], [])] == ["one", "two"]
    assert [task.name for task in chosen_tasks(tasks, ["t*"], [])] == ["two"]
    assert [task.name for task in chosen_tasks(tasks, [], ["t?o"])] == ["one"]
    for only, skip, reason in [
        (["three"], [], "no task is called three; they are one, two"),
        ([], ["*"], "no task is left"),
    ]:
        with pytest.raises(UsageError, match=reason):
            chosen_tasks(tasks, only, skip)


def test_trials_are_asked_for_by_name(program: Path, target: Target) -> None:
    tasks = load_tasks(f"{program}:module", None, target)
    assert [task.trials for task in pinned(tasks, ["o*=3"])] == [3, None]
    for text, reason in [("one", "its trials"), ("one=x", "its trials"), ("three=3", "no task is called three")]:
        with pytest.raises(UsageError, match=reason):
            pinned(tasks, [text])


def test_tasks_that_are_the_same_in_several_shapes_are_one(program: Path, target: Target) -> None:
    tasks = load_tasks(f"{program}:module", None, target)
    (one,) = joined({"a": tasks, "b": tasks})
    assert (one.name, one.weight) == ("one", 4.0)
