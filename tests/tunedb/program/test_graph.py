"""Graphs that are damaged in every way are read or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tunedb import graphs
from tunedb.errors import BadInputError
from tunedb.identity import program_from_graph


def _damaged() -> list[tuple[str, bytes]]:
    whole = json.loads(graphs.new_form())
    cases = [
        ("empty", b""),
        ("not JSON", b"{"),
        ("null", b"null"),
        ("no nodes", b'{"root_index": 0, "nodes": []}'),
        ("not UTF-8", b'{"root_index": 0, "nodes": [{"type": "\xff"}]}'),
        ("deep", b'{"root_index":0,"nodes":' + b"[" * 100_000),
        ("no program", b'{"root_index": 0, "nodes": [{"type": "ffi.String", "data": "x"}]}'),
    ]

    def changed(label: str, change: Any) -> None:
        graph = json.loads(json.dumps(whole))
        change(graph)
        cases.append((label, json.dumps(graph).encode()))

    block = next(index for index, node in enumerate(whole["nodes"]) if node["type"] == "s_tir.SBlock")
    total = next(index for index, node in enumerate(whole["nodes"]) if node["type"] == "prim.Add")
    changed("root out of range", lambda graph: graph.update(root_index=10_000))
    changed("negative root", lambda graph: graph.update(root_index=-5))
    changed("no body", lambda graph: graph["nodes"][block]["data"].pop("body"))
    changed("body out of range", lambda graph: graph["nodes"][block]["data"].update(body=99_999))
    changed("body is text", lambda graph: graph["nodes"][block]["data"].update(body="x"))
    changed("cycle", lambda graph: graph["nodes"][total]["data"].update(a=total))
    changed("axes are no array", lambda graph: graph["nodes"][block]["data"].update(iter_vars=0))
    return cases


@pytest.mark.parametrize(("label", "graph"), _damaged(), ids=[label for label, _ in _damaged()])
def test_damaged_graphs_are_bad_input(label: str, graph: bytes) -> None:
    with pytest.raises(BadInputError):
        program_from_graph(graph, "1")


def test_every_single_change_to_a_graph_is_read_or_refused() -> None:
    whole = json.loads(graphs.new_form())
    outcomes = {"read": 0, "refused": 0}
    for index, node in enumerate(whole["nodes"]):
        for replacement in (None, -1, 10**9, "x", [], {}, [index], True, 1.5):
            for key in list(node["data"]) if isinstance(node.get("data"), dict) else ["data"]:
                graph = json.loads(json.dumps(whole))
                holder = graph["nodes"][index]["data"] if key != "data" else graph["nodes"][index]
                holder[key] = replacement
                try:
                    program_from_graph(json.dumps(graph).encode(), "1")
                    outcomes["read"] += 1
                except BadInputError:
                    outcomes["refused"] += 1
    assert outcomes["read"] > 0
    assert outcomes["refused"] > 0
