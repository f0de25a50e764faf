"""Which things are the same: programs of several releases, targets, machines, trials."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.tunedb import graphs
from tunedb.errors import BadInputError
from tunedb.identity import (
    canonical_target,
    conditions_of,
    identified,
    program_from_graph,
    trace_id,
    trial_id,
    unknown_workload,
)
from tunedb.machine.hardware import hardware_named
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Trace, Workload


def workload(graph: bytes) -> Workload:
    return program_from_graph(graph, "1")[0]


def test_old_and_new_releases_meet_in_one_workload() -> None:
    new_workload, new = program_from_graph(graphs.new_form(), "1")
    old_workload, old = program_from_graph(graphs.old_form(), "2")
    assert new_workload == old_workload
    assert new.workload_id == old.workload_id == new_workload.workload_id
    assert new.module_id != old.module_id
    assert (new.tvm_version, old.tvm_version) == ("0.27.0.post1", "0.13.dev0")


def test_the_signature_says_what_is_computed() -> None:
    signature = json.loads(workload(graphs.new_form()).signature)
    assert signature == {
        "blocks": [[["S4", "S8", "R16"], "b0[v0,v1]=0.0", "b0[v0,v1]=Add(b0[v0,v1],Mul(b1[v0,v2],b2[v2,v1]))"]],
        "buffers": ["4x8 float32 param", "4x16 float32 param", "16x8 float32 param"],
    }


def test_names_and_index_types_say_nothing() -> None:
    plain = workload(graphs.new_form()).workload_id
    assert workload(graphs.new_form(prefix="other_")).workload_id == plain
    assert workload(graphs.old_form(index_dtype="int32")).workload_id == plain


@pytest.mark.parametrize("other", [graphs.new_form((4, 8, 32)), graphs.new_form(operator="prim.Max")])
def test_other_programs_are_other_workloads(other: bytes) -> None:
    assert workload(other).workload_id != workload(graphs.new_form()).workload_id


def test_the_name_is_for_people() -> None:
    found = workload(graphs.new_form((128, 64, 32)))
    assert found.name == "matmul 128x64x32 float32"
    assert (found.family, found.epilogue, found.extents) == ("matmul", "", (128, 64, 32))


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


def test_targets_are_canonical() -> None:
    plain = canonical_target('{"kind":"llvm","mcpu":"znver5","num-cores":1}')
    for same in (
        '{"num-cores": 1, "mcpu": "znver5", "kind": "llvm", "tag": "", "keys": ["cpu"]}',
        {"kind": "llvm", "mcpu": "znver5", "num-cores": 1, "host": {"kind": "llvm", "keys": ["cpu"], "tag": ""}},
        {"kind": "llvm", "mcpu": "znver5", "num-cores": 1, "host": {"kind": "llvm", "mcpu": "znver5"}},
    ):
        assert canonical_target(same) == plain
    assert (plain.kind, plain.arch, plain.num_cores) == ("llvm", "znver5", 1)
    assert canonical_target({"kind": "llvm", "mcpu": "znver5", "num-cores": 2}) != plain
    assert canonical_target('"cuda"').text == '{"kind":"cuda"}'
    gpu = canonical_target({"kind": "metal", "host": {"kind": "llvm", "mcpu": "apple-latest"}})
    assert "apple-latest" in gpu.text
    assert gpu.arch == ""


@pytest.mark.parametrize("bad", ["", "null", "[]", "{}", '{"kind": 3}', "NaN", "[" * 5000, b"\xff", '{"mcpu":"x"}'])
def test_bad_targets_are_bad_input(bad: str | bytes) -> None:
    with pytest.raises(BadInputError):
        canonical_target(bad)


def test_every_part_of_a_trial_counts() -> None:
    parts: dict[str, Any] = {
        "workload_id": "w",
        "module_id": "m",
        "target_id": "t",
        "hardware_id": "h",
        "trace": Trace(b"[]", b"[]"),
        "run_secs": (0.1, 0.2),
        "outcome": "ok",
    }
    whole = trial_id(**parts)
    assert trial_id(**parts) == whole
    for change in (
        {"workload_id": "x"},
        {"module_id": "x"},
        {"target_id": "x"},
        {"hardware_id": "x"},
        {"trace": Trace(b"[]", b"[[0,1]]")},
        {"run_secs": (0.2, 0.1)},
        {"outcome": "failed"},
        {"conditions": conditions_of(caches="flushed")},
    ):
        assert trial_id(**{**parts, **change}) != whole


def test_ids_stay_what_they_are() -> None:
    """Stores on disk hold these: a change here makes a new schema version."""
    assert trace_id(Trace(b'[["A",[],[],["b0"]]]', b"[]")) == "d472b3f5f065245967448ec6db34ad05"
    assert canonical_target({"kind": "llvm"}).target_id == "680d476dfa0f467eef33dd863483dcb2"
    assert hardware_named("Apple M1 Ultra").hardware_id == "502034f246cbcc03eb3849815f814fff"
    assert workload(graphs.new_form()).workload_id == "57fda81f803c5ebaa7ea90caf6396e77"
    assert unknown_workload(b"line", 3).workload_id == "unknown-ada5260672194329e9ee079a43a605ee"
    assert (
        trial_id(
            workload_id="w",
            module_id="m",
            target_id="t",
            hardware_id="h",
            trace=Trace(b"[]", b"[]"),
            run_secs=(0.25,),
        )
        == "62f610ded651ef38dcc57bafb68fdd81"
    )


def test_a_field_enters_a_hash_only_when_it_is_set() -> None:
    """So a column that is added later changes no id that a store holds already."""
    machine = Hardware("", "AMD EPYC", "cpu", 2, 512, 32768, 1048576, None, 25769803776)
    assert identified(machine).hardware_id == "b20bdbe95124fbed9d0430ab3284d7d1"
    gpu = Hardware("", "NVIDIA H100", "gpu", compute_capability="9.0", num_sms=132, driver="570.1")
    assert identified(gpu).hardware_id == "ef38fedad2ce49f8322d9463cea0032c"
    ids = {identified(dataclasses.replace(gpu, **{name: None})).hardware_id for name in ("num_sms", "driver")}
    assert len(ids | {identified(gpu).hardware_id}) == 3

    parts: dict[str, Any] = {"workload_id": "w", "module_id": "m", "target_id": "t", "hardware_id": "h"}
    parts |= {"trace": Trace(b"[]", b"[]"), "run_secs": (0.25,)}
    assert trial_id(**parts, conditions="{}") == "62f610ded651ef38dcc57bafb68fdd81"
    assert trial_id(**parts, conditions=conditions_of(caches="flushed")) == "b780dfba5fc8e21256ee05e2e693478d"


def test_conditions_are_canonical() -> None:
    assert conditions_of() == conditions_of(caches=None, through_rpc=False) == DEFAULT_CONDITIONS
    assert conditions_of(clock_mhz=1980, caches="flushed") == '{"caches":"flushed","clock_mhz":1980}'
