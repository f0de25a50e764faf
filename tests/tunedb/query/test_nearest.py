"""Evidence for what was never measured: what is near, what it says, and how far such guesses were off."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.tunedb.samples import AROUND, OTHER_TARGET, TARGET, WORKLOAD, module, trial, workload
from tunedb import open_store
from tunedb.errors import UsageError
from tunedb.query.nearest import Asked, distance, nearest
from tunedb.records import Workload
from tunedb.store.contract import Store


def sized(name: str, *extents: int) -> Workload:
    return replace(workload(name), family="matmul", extents=extents)


def measured(store: Store, one: Workload, secs: float, number: int, target_id: str = TARGET.target_id) -> None:
    own = module(one)
    row = trial(number, secs, workload_id=one.workload_id, module_id=own.module_id, target_id=target_id)
    around = {**AROUND, "workloads": [one], "modules": [own], "targets": [TARGET, OTHER_TARGET]}
    assert store.append([row], **around).added == 1  # type: ignore[arg-type]


@pytest.fixture
def store() -> Store:
    return open_store("memory:")


def test_like_workloads_come_with_what_they_foretell(store: Store) -> None:
    sizes = {name: sized(name, 64 * 2**power, 64, 64) for power, name in enumerate("abcd")}
    for number, (name, one) in enumerate(sizes.items()):
        measured(store, one, 1e-3 * 2**number * (1.1 if name == "b" else 1.0), number)
    found = nearest(store, Asked("matmul", (32, 64, 64)), TARGET)
    assert {row.workload.name for row in found} == {one.name for one in sizes.values()}
    first = found[0]
    assert first.distance == pytest.approx(math.log(2) / 3)
    by_workload = {row.workload.workload_id: row for row in found}
    of_a = by_workload[sizes["a"].workload_id]
    assert of_a.expected_secs == pytest.approx(0.5e-3, rel=1e-3)
    assert of_a.num_compared == 3, "only neighbours that are as near: a-b, b-c, c-d"
    assert of_a.expected_loss == pytest.approx(0.1, rel=1e-2), "two of three were off by a tenth"
    assert of_a.trial is not None and of_a.trial.workload_id == sizes["a"].workload_id


def test_other_targets_are_compared_by_what_both_have(store: Store) -> None:
    other = OTHER_TARGET.target_id
    for number, name in enumerate("abcd"):
        one = sized(name, 64 << 4 * number, 64, 64)
        measured(store, one, 1e-3, number)
        if name != "d":
            measured(store, one, 2e-3, 10 + number, other)
    lacking = sized("d", 64 << 12, 64, 64)
    found = nearest(store, Asked("matmul", lacking.extents, lacking.workload_id), OTHER_TARGET)
    first = found[0]
    assert first.target.target_id == TARGET.target_id and first.distance == 0
    assert first.expected_secs == pytest.approx(2e-3, rel=1e-3), "that target takes twice as long for all others"
    assert first.expected_loss == pytest.approx(0.0, abs=1e-3) and first.num_compared == 3


def test_what_is_known_of_itself_is_no_evidence(store: Store) -> None:
    one = sized("a", 64, 64, 64)
    measured(store, one, 1e-3, 0)
    assert nearest(store, Asked("matmul", one.extents, one.workload_id), TARGET) == []
    assert [row.expected_loss for row in nearest(store, Asked("matmul", one.extents), TARGET)] == [None]
    assert nearest(store, Asked("conv2d", (1, 2)), TARGET) == []


def test_what_makes_no_sense_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="like nothing"):
        nearest(store, Asked("", ()), TARGET)
    with pytest.raises(UsageError, match="limit"):
        nearest(store, Asked("matmul", (1,)), TARGET, 0)


def test_the_distance_is_one_of_sizes_and_infinite_between_operators() -> None:
    assert distance(WORKLOAD, replace(WORKLOAD, family="softmax")) == math.inf
    assert distance(sized("a", 8, 8), sized("b", 16, 8)) == pytest.approx(math.log(2) / 2)
