"""The nearest target stands in where somebody asks for it, labelled, and never with instructions that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tunedb.errors import NotFoundError
from tunedb.identity import canonical_target, source, trial_id_of
from tunedb.machine.hardware import hardware_named
from tunedb.metaschedule.replay import trial_from_measurement, workload_from_module
from tunedb.metaschedule.stand_ins import best_nearby, intrinsics_of, lacking, stand_ins
from tunedb.records import Target, Trace
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

pytestmark = pytest.mark.tvm

X86 = "x86_64-linux-gnu"


def cpu(name: str, cores: int = 1, triple: str = X86) -> Target:
    return canonical_target({"kind": "llvm", "mcpu": name, "mtriple": triple, "num-cores": cores})


VNNI = Trace(
    b'[["GetSBlock",[],["C","main"],["b0"]],["Annotate",["b0","\\"dot_16x4_vnni\\""],'
    b'["meta_schedule.auto_tensorize"],[]],["EnterPostproc",[],[],[]],["Tensorize",["b0"],["dot_16x4_vnni",0],[]]]',
    b"[]",
)


def test_the_nearest_comes_first() -> None:
    others = [cpu("znver2"), cpu("znver3"), cpu("skylake-avx512"), cpu("cortex-a72", triple="aarch64-linux-gnu")]
    others += [cpu("znver4", 8)]
    found = stand_ins([*others, cpu("znver4")], cpu("znver4"))
    assert [(one.arch, one.num_cores) for one in found[:2]] == [("znver4", 8), ("znver3", 1)]
    assert {one.arch for one in found} == {"znver4", "znver3", "znver2", "skylake-avx512"}, "no other architecture"


def test_instructions_that_are_not_there_are_named() -> None:
    assert intrinsics_of(VNNI) == {"dot_16x4_vnni"}
    assert lacking(VNNI, cpu("znver3")) == ("avx512vnni",)
    assert lacking(VNNI, cpu("znver4")) == ()
    assert lacking(VNNI, cpu("cortex-a72", triple="aarch64-linux-gnu")) == ("avx512vnni",)
    plain = Trace(b'[["GetSBlock",[],["C","main"],["b0"]]]', b"[]")
    assert lacking(plain, cpu("znver3")) == ()
    unknown = Trace(b'[["Tensorize",["b0"],["dot_of_the_future",0],[]]]', b"[]")
    assert lacking(unknown, cpu("znver4")) == ("dot_of_the_future",)


@pytest.fixture(scope="module")
def small_matmul() -> Any:
    from tvm import te
    from tvm.ir import IRModule

    a, b = (te.placeholder((8, 8), name=name) for name in "ab")
    k = te.reduce_axis((0, 8), name="k")
    c = te.compute((8, 8), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="c")
    return IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})


@pytest.fixture
def store(small_matmul: Any) -> Iterator[Store]:
    """A trial for znver3, and a faster one for znver5 that needs VNNI."""
    from tvm import s_tir

    workload, module = workload_from_module(small_matmul)
    machine, run, schedule = hardware_named("a machine"), source("tune:0", "tune"), s_tir.Schedule(small_matmul)
    schedule.get_loops(schedule.get_sblock("c"))
    measured = {"position": 0, "trace": schedule.trace, "run_secs": [2.0], "measured_at": datetime.now(UTC)}
    plain = trial_from_measurement(module, cpu("znver3"), machine, run, **measured)
    integers = replace(plain, target_id=cpu("znver5").target_id, trace=VNNI, run_secs=(1.0,))
    integers = replace(integers, trial_id=trial_id_of(integers))
    with open_store("memory:") as made:
        made.append(
            [plain, integers],
            workloads=[workload],
            modules=[module],
            targets=[cpu("znver3"), cpu("znver5")],
            hardware=[machine],
            sources=[run],
        )
        yield made


def asked(target: Target) -> str:
    return target.text


def test_what_stands_in_says_for_which(store: Store, small_matmul: Any) -> None:
    workload_id = workload_from_module(small_matmul)[0].workload_id
    (found,) = best_nearby(store, workload_id, asked(cpu("znver2")))
    assert (found.target, found.stands_in_for) == (cpu("znver3"), cpu("znver2"))
    (found,) = best_nearby(store, workload_id, asked(cpu("znver4")))
    assert found.target == cpu("znver5"), "it has VNNI, and more in common"
    (found,) = best_nearby(store, workload_id, "znver3")
    assert found.stands_in_for is None, "it has its own"


def test_a_schedule_for_instructions_that_are_not_there_does_not_stand_in(store: Store, small_matmul: Any) -> None:
    workload_id = workload_from_module(small_matmul)[0].workload_id
    (found,) = best_nearby(store, workload_id, asked(cpu("x86-64-v4")))
    assert found.target == cpu("znver3")


def test_nothing_stands_in_for_a_target_of_another_architecture(store: Store, small_matmul: Any) -> None:
    workload_id = workload_from_module(small_matmul)[0].workload_id
    for text in (asked(cpu("cortex-a72", triple="aarch64-linux-gnu")), "no-such-cpu"):
        with pytest.raises(NotFoundError):
            best_nearby(store, workload_id, text)
