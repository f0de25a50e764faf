"""What a program computes, and nothing else of it, is its signature."""

from __future__ import annotations

import json

import pytest

from tests.tunedb import graphs
from tunedb.errors import BadInputError
from tunedb.identity import program_from_graph


def test_the_signature_says_what_is_computed() -> None:
    signature = json.loads(program_from_graph(graphs.new_form(), "1")[0].signature)
    assert signature == {
        "blocks": [[["S4", "S8", "R16"], "b0[v0,v1]=0.0", "b0[v0,v1]=Add(b0[v0,v1],Mul(b1[v0,v2],b2[v2,v1]))"]],
        "buffers": ["4x8 float32 param", "4x16 float32 param", "16x8 float32 param"],
    }


def test_names_and_index_types_say_nothing() -> None:
    plain = program_from_graph(graphs.new_form(), "1")[0].workload_id
    assert program_from_graph(graphs.new_form(prefix="other_"), "1")[0].workload_id == plain
    assert program_from_graph(graphs.old_form(index_dtype="int32"), "1")[0].workload_id == plain


@pytest.mark.parametrize("other", [graphs.new_form((4, 8, 32)), graphs.new_form(operator="prim.Max")])
def test_other_programs_are_other_workloads(other: bytes) -> None:
    assert program_from_graph(other, "1")[0].workload_id != program_from_graph(graphs.new_form(), "1")[0].workload_id


def test_shared_subexpressions_do_not_explode() -> None:
    graph = json.loads(graphs.new_form())
    add = next(index for index, node in enumerate(graph["nodes"]) if node["type"] == "prim.Add")
    leaf = graph["nodes"][add]["data"]["a"]
    for _ in range(60):  # each is the double of the one before: 2^60 leaves when written out
        graph["nodes"].append({"type": "prim.Add", "data": {**graph["nodes"][add]["data"], "a": leaf, "b": leaf}})
        leaf = len(graph["nodes"]) - 1
    graph["nodes"][add]["data"]["a"] = leaf
    with pytest.raises(BadInputError, match="large"):
        program_from_graph(json.dumps(graph).encode(), "1")
