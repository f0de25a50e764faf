"""How programs are called, read from graphs of several releases, and which records can be theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tunedb import graphs
from tunedb.program.arguments import Argument, Entry, misfit, read_entry
from tunedb.program.graph import ProgramGraph


def told(*args: tuple[str, list[int]]) -> bytes:
    return json.dumps([["TENSOR", dtype, shape] for dtype, shape in args]).encode()


@pytest.mark.parametrize(("graph", "block"), [(graphs.new_form(), "C"), (graphs.old_form(), "T_matmul")])
def test_a_matmul_takes_three_matrices(graph: bytes, block: str) -> None:
    entry = read_entry(ProgramGraph(graph))
    shapes = ((4, 16), (16, 8), (4, 8))
    assert entry.arguments == (tuple(Argument("float32", shape) for shape in shapes),)
    assert block in entry.blocks


def entry_of(*arguments: Argument) -> Entry:
    return Entry((arguments,), frozenset())


F4 = Argument("float32", (4,))


@pytest.mark.parametrize(
    ("entry", "args", "fits"),
    [
        (entry_of(F4, Argument("float32", (None, 8))), told(("float32", [4]), ("float32", [77, 8])), True),
        (entry_of(F4, Argument("float32", (None, 8))), told(("float32", [4]), ("float32", [77, 9])), False),
        (entry_of(F4, Argument("")), told(("float32", [4])), True),  # a scalar is not described
        (entry_of(Argument(""), F4), told(("int64", []), ("float32", [4])), True),  # or is
        (entry_of(F4), told(("float32", [4]), ("float32", [4])), False),
        (entry_of(F4, F4), told(("float32", [4])), False),
        (entry_of(Argument("bool", ())), told(("uint1", [])), True),
        (entry_of(Argument("float32", (8, 3, 2), is_layout_free=True)), told(("float32", [2, 4, 3, 2])), True),
        (entry_of(Argument("float32", (8, 3, 2), is_layout_free=True)), told(("float32", [2, 4, 3, 3])), True),
        (entry_of(Argument("float32", (8, 3, 2), is_layout_free=True)), told(("float32", [2, 4, 3, 1])), False),
        (entry_of(), told(("float32", [4])), False),
        (Entry((), frozenset()), told(("float32", [4])), True),  # a module that could not be read
    ],
)
def test_which_records_can_be_a_modules(entry: Entry, args: bytes, fits: bool) -> None:
    assert (misfit(entry, args, b"[]") == "") is fits


@pytest.mark.tvm
def test_modules_of_the_installed_tvm() -> None:
    tvm = pytest.importorskip("tvm")
    from tvm import te

    from tunedb.metaschedule.convert import workload_from_module

    n = te.var("n")
    tensors: list[Any] = [te.placeholder((n, 8), name="a"), te.placeholder((8,), dtype="int8", name="b")]
    out = te.compute((n, 8), lambda i, j: tensors[0][i, j] + tensors[1][j].astype("float32"), name="c")
    function = te.create_prim_func([*tensors, out]).with_attr("layout_free_buffers", [1])
    _, module = workload_from_module(tvm.IRModule({"main": function}))
    (arguments,) = read_entry(ProgramGraph(module.module_json)).arguments
    assert arguments == (
        Argument("float32", (None, 8)),
        Argument("int8", (8,), is_layout_free=True),
        Argument("float32", (None, 8)),
    )
