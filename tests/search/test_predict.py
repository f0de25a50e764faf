from typing import Any

import pytest

from costmodels.models.roofline import RooflineModel
from search.contexts import contexts
from search.predict import Asked, Predicted, Predictor
from search.prior import Prior
from search.task import Task
from tunedb.metaschedule import intrinsics
from tunedb.records import Target

pytestmark = pytest.mark.tvm

SIZES = (16, 24, 32)


def matmul(size: int) -> Task:
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(te_workload.matmul(size, size, 32)).with_attr("global_symbol", "main")
    return Task(f"matmul{size}", IRModule({"main": function}))


def predicted(target: Target, cores: set[int], monkeypatch: Any) -> tuple[list[Predicted], list[int]]:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: cores)
    intrinsics.register_for(target.kind, target.keys)
    tasks, places = [matmul(size) for size in SIZES], list[int]()
    made = contexts(tasks, target, seed=0)
    asked = [Asked(task, context, 1 / len(SIZES)) for task, context in zip(tasks, made, strict=True)]
    return Predictor(Prior(RooflineModel(), "", None)).predict_all(asked, places.append, number=2), places


def test_the_same_is_predicted_on_one_core_and_on_two(target: Target, monkeypatch: Any) -> None:
    alone, places = predicted(target, {0}, monkeypatch)
    beside, _ = predicted(target, {0, 1}, monkeypatch)
    assert [one.task.name for one in alone] == [f"matmul{size}" for size in SIZES]
    assert sorted(places) == [0, 1, 2]
    assert all(len(one.traces) == 2 for one in alone)
    assert [one.traces for one in alone] == [one.traces for one in beside]
