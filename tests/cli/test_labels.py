"""Different targets and machines have different names in a table."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.labels import hardware_labels, target_labels
from tunedb.identity import canonical_target, identified
from tunedb.machine.hardware import hardware_named

VALUES = st.none() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]) | st.lists(st.sampled_from(["+a", "+b"]))
FIELDS = st.dictionaries(st.sampled_from(["mcpu", "mattr", "libs", "max_num_threads", "mtriple", "tag"]), VALUES)


def labels(*texts: str) -> list[str]:
    targets = [canonical_target(text) for text in texts]
    found = target_labels(targets)
    return [found[target.target_id] for target in targets]


def test_what_differs_by_name_stays_short() -> None:
    assert labels('{"kind":"llvm","mcpu":"znver5","num-cores":1}', '{"kind":"llvm","mcpu":"znver5","num-cores":8}') == [
        "llvm znver5 1 core",
        "llvm znver5 8 cores",
    ]


def test_the_shortest_field_tells_apart() -> None:
    texts = [
        json.dumps({"kind": "opencl", "max_num_threads": threads, "max_shared_memory_per_block": threads})
        for threads in (64, 16)
    ]
    assert labels(*texts) == ["opencl max_num_threads=64", "opencl max_num_threads=16"]
    assert labels(
        '{"kind":"opencl","max_num_threads":64}', '{"kind":"opencl","max_num_threads":16}', '{"kind":"opencl"}'
    ) == ["opencl max_num_threads=64", "opencl max_num_threads=16", "opencl max_num_threads=-"]


def test_several_fields_where_one_is_not_enough() -> None:
    texts = [
        json.dumps({"kind": "llvm", "mattr": [feature], "libs": [library]})
        for feature in ("+avx2", "+fma")
        for library in ("mkl", "dnnl")
    ]
    assert labels(*texts)[0] == 'llvm libs=["mkl"] mattr=["+avx2"]'
    assert len(set(labels(*texts))) == 4


def test_hosts_of_one_architecture_are_told_apart() -> None:
    host = {"kind": "llvm", "mcpu": "znver5"}
    texts = [json.dumps({"kind": "cuda", "host": {**host, "num-cores": cores}}) for cores in (1, 8)]
    assert len(set(labels(*texts))) == 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["llvm", "opencl", "c"]), FIELDS), max_size=6))
def test_no_two_targets_share_a_name(given: list[tuple[str, dict[str, object]]]) -> None:
    targets = {
        target.target_id: target
        for target in (canonical_target(json.dumps({"kind": kind, **fields})) for kind, fields in given)
    }
    found = target_labels(targets.values())
    assert found.keys() == targets.keys()
    assert len(set(found.values())) == len(targets)


def test_machines_of_one_name_are_told_apart() -> None:
    one = hardware_named("AMD EPYC")
    other = identified(dataclasses.replace(one, memory_bytes=64 << 30))
    unknown = [identified(dataclasses.replace(one, name="unknown", origin=origin)) for origin in ("ab" * 16, "cd" * 16)]
    found = hardware_labels([one, other, *unknown, one])
    assert len(set(found.values())) == len(found) == 4
    assert found[other.hardware_id] == f"AMD EPYC memory_bytes={64 << 30}"
