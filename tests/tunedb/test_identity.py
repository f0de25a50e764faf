"""Which things are the same: programs of several releases, targets, machines, trials."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.tunedb import graphs, samples
from tunedb.errors import BadInputError
from tunedb.identity import (
    canonical_conditions,
    canonical_target,
    conditions_of,
    identified,
    program_from_graph,
    trace_id,
    trial_id,
    unknown_workload,
)
from tunedb.machine.hardware import hardware_named
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Trace


def test_old_and_new_releases_meet_in_one_workload() -> None:
    workload, new = program_from_graph(graphs.new_form(), "1")
    same_workload, old = program_from_graph(graphs.old_form(), "2")
    assert workload == same_workload
    assert new.workload_id == old.workload_id == workload.workload_id
    assert new.module_id != old.module_id
    assert (new.tvm_version, old.tvm_version) == ("0.27.0.post1", "0.13.dev0")


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
    assert program_from_graph(graphs.new_form(), "1")[0].workload_id == "57fda81f803c5ebaa7ea90caf6396e77"
    assert samples.verdict(0).verdict_id == "63ec787da4a4e6e0c1783fa1b98caf2b"
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
    assert canonical_conditions(' {"clock_mhz": 1980, "caches": "flushed", "through_rpc": false}') == conditions_of(
        caches="flushed", clock_mhz=1980
    )
    for bad in ("", "flushed", "[]", '{"caches": {}}'):
        with pytest.raises(BadInputError, match="are not a JSON object such as"):
            canonical_conditions(bad)
    assert conditions_of() == conditions_of(caches=None, through_rpc=False) == DEFAULT_CONDITIONS
    assert conditions_of(clock_mhz=1980, caches="flushed") == '{"caches":"flushed","clock_mhz":1980}'
