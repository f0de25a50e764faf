"""The same operators as TVM 0.25, 0.26 and 0.27 write them: one workload each, and traces that move on."""

from __future__ import annotations

import base64
import functools
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunedb import open_store
from tunedb.errors import BadInputError
from tunedb.identity import program_from_graph
from tunedb.ingest.pipeline import ingest
from tunedb.metaschedule.upgrade import block_names, replayable, upgraded
from tunedb.records import Module, Trace, Workload
from tunedb.store.memory import MemoryStore

ASSETS = Path(__file__).parents[1] / "assets" / "graphs"
RELEASES = tuple(sorted(path.name.removeprefix("tvm-").removesuffix(".json.gz") for path in ASSETS.iterdir()))
NEWEST = RELEASES[-1]


@functools.cache
def operators(release: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(gzip.decompress((ASSETS / f"tvm-{release}.json.gz").read_bytes()))
    return made


def program(release: str, operator: str) -> tuple[Workload, Module]:
    entry = operators(release)[operator]
    return program_from_graph(entry["module"].encode(), entry["structural_hash"])


def module_of(release: str, operator: str) -> Module:
    return program(release, operator)[1]


def traces(release: str, operator: str) -> list[Trace]:
    return [Trace(*map(msgspec.json.encode, trace)) for trace in operators(release)[operator]["traces"]]


def test_there_are_three_releases() -> None:
    assert [release[:4] for release in RELEASES] == ["0.25", "0.26", "0.27"]


@pytest.mark.parametrize("operator", list(operators(NEWEST)))
def test_an_operator_is_one_workload_with_a_module_a_release(operator: str) -> None:
    workloads, rows = zip(*(program(release, operator) for release in RELEASES), strict=True)
    assert len({row.workload_id for row in rows}) == 1
    assert len({row.module_id for row in rows}) == 3
    assert [row.tvm_version for row in rows] == list(RELEASES)
    assert len({(row.name, row.family, row.extents) for row in workloads}) == 1


def test_other_operators_are_other_workloads() -> None:
    ids = [module_of(NEWEST, operator).workload_id for operator in operators(NEWEST)]
    assert len(set(ids)) == len(ids) == 13


def test_a_trace_of_the_newest_release_stays_as_it_is() -> None:
    for operator in operators(NEWEST):
        for trace in traces(NEWEST, operator):
            assert upgraded(trace) == trace


def test_what_older_releases_wrote_differently() -> None:
    old = Trace(
        b'[["GetBlock",[],["C","main"],["b0"]],["Split",["l1",null,"v2"],[1],["l3","l4"]],'
        b'["ReverseComputeAt",["b0","l3"],[1],[]],["CacheWrite",["b0"],[0,"local"],["b5"]]]',
        b"[[1,[4,4]]]",
    )
    assert json.loads(upgraded(old, {"C": "T_matmul"}).instructions) == [
        ["GetSBlock", [], ["T_matmul", "main"], ["b0"]],
        ["Split", ["l1", None, "v2"], [1, 0], ["l3", "l4"]],
        ["ReverseComputeAt", ["b0", "l3"], [1, -1], []],
        ["CacheWrite", ["b0", []], [0, "local"], ["b5"]],
    ]
    assert upgraded(old).decisions == old.decisions


def test_blocks_correspond_by_their_order() -> None:
    old, new = module_of(RELEASES[0], "softmax"), module_of(NEWEST, "softmax")
    _, renamed = program_from_graph(old.module_json.replace(b"T_softmax_exp", b"exponentials"), "1")
    names = block_names(renamed, new)
    assert names["exponentials"] == "T_softmax_exp"
    with pytest.raises(BadInputError, match="two workloads"):
        block_names(old, module_of(NEWEST, "matmul"))


@pytest.mark.tvm
@pytest.mark.parametrize(("release", "operator"), itertools.product(RELEASES[:-1], operators(NEWEST)))
def test_old_traces_replay_on_the_newest_module(release: str, operator: str) -> None:
    from tunedb.metaschedule.replay import release as running
    from tunedb.metaschedule.replay import schedule

    new = module_of(NEWEST, operator)
    if running() != NEWEST:
        pytest.skip(f"this is TVM {running()}")
    names = block_names(module_of(release, operator), new)
    for old, own in zip(traces(release, operator), traces(NEWEST, operator), strict=True):
        replayed = schedule(new, upgraded(old, names), trusted=True)
        expected = schedule(new, Trace(own.instructions, old.decisions), trusted=True)  # the same design space
        assert str(replayed.mod.script()) == str(expected.mod.script())


def logs(folder: Path, release: str, operator: str, secs: float) -> Path:
    """A database of one record, as the release writes it."""
    entry = operators(release)[operator]
    graph = entry["module"].encode()
    framed = base64.b64encode(len(graph).to_bytes(8, "little") + graph).decode()
    folder.mkdir()
    (folder / "database_workload.json").write_text(json.dumps([entry["structural_hash"], framed]) + "\n")
    record = [0, [entry["traces"][0], [secs], {"kind": "llvm", "mcpu": "znver4", "num-cores": 2}, []]]
    (folder / "database_tuning_record.json").write_text(json.dumps(record) + "\n")
    return folder


def test_what_can_be_replayed_and_what_not(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [logs(tmp_path / "old", RELEASES[0], "matmul", 1e-3)])
    (old,) = store.trials()
    with pytest.raises(BadInputError, match=f"written by TVM {RELEASES[0]}, which {NEWEST} cannot read, and the store"):
        replayable(store, old, NEWEST)
    assert replayable(store, old, RELEASES[0]) == (module_of(RELEASES[0], "matmul"), old.trace)
    ingest(store, [logs(tmp_path / "new", NEWEST, "matmul", 2e-3)])
    found, trace = replayable(store, old, NEWEST)
    assert found == module_of(NEWEST, "matmul")
    assert b"GetBlock" not in trace.instructions


@pytest.mark.tvm
def test_the_database_answers_with_what_an_older_release_found(tmp_path: Path) -> None:
    import tvm

    from tunedb import tvm_database
    from tunedb.metaschedule.replay import load_module, release

    if release() != NEWEST:
        pytest.skip(f"this is TVM {release()}")
    with open_store(tmp_path / "store") as store:
        ingest(store, [logs(tmp_path / "old", RELEASES[0], "matmul", 1e-3)])
        ingest(store, [logs(tmp_path / "new", NEWEST, "matmul", 2e-3)])
        mod = load_module(module_of(NEWEST, "matmul"))
        target = tvm.target.Target({"kind": "llvm", "mcpu": "znver4", "num-cores": 2})
        database = tvm_database(store, target)
        assert [list(map(float, row.run_secs)) for row in database.get_top_k(database.commit_workload(mod), 5)] == [
            [1e-3],
            [2e-3],
        ]
        assert database.query_ir_module(mod, target, "main") is not None
