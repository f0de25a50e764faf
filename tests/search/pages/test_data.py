"""What a page is to show: runs by name, benches by file, and how they compare. No model, no compiler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.bench.results import Arm, ArmTask, Asked, Network, Reached, Results, Task, write_results
from search.pages.data import compared, is_bench, subjects
from search.pages.subject import Guesses, Roof, Subject, TaskFigure
from tunedb import Store, open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.machine.hardware import hardware_named

TASKS = (Task("w1", "conv2d 1x8", 2.0, 4e-3), Task("w2", "matmul 8x8", 1.0, None))
ARM = Arm(
    network="net",
    strategy="bo",
    seed=0,
    predicts=True,
    prior="a model",
    trials=4,
    failed=1,
    sittings=1,
    tune_secs=9.0,
    library="net/bo-s0/net.so",
    programs={"record": 1, "predicted": 1},
    tasks=(ArmTask("w1", 4, 1, 1e-3),),
    best_so_far=(Reached(0, 0.0, 9e-3), Reached(2, 5.0, 3e-3)),
    latency_secs=3e-3,
    ratio=1.0,
    against="bo seed 0",
)
RESULTS = Results(
    asked=Asked(("net.onnx",), ("bo",), (0,), 4, '{"kind":"llvm","mcpu":"znver5","num-cores":1}'),
    machine=hardware_named("a machine"),
    versions={},
    rounds=3,
    networks=(Network("net", "net.onnx", "digest", TASKS),),
    arms=(ARM, Arm(network="net", strategy="random", seed=0, predicts=False, error="it <b>broke</b>")),
)


@contextlib.contextmanager
def no_store() -> Iterator[Store]:
    with open_store("memory:") as store:
        yield store


def quiet(*_: Any) -> None:
    pass


def test_a_bench_is_named_by_its_file_or_folder(tmp_path: Path) -> None:
    write_results(tmp_path, RESULTS)
    assert is_bench(str(tmp_path))
    assert is_bench(str(tmp_path / "bench.json"))
    assert is_bench("absent.json")
    assert not is_bench("last")
    ours, failed = subjects([str(tmp_path)], no_store, quiet)
    assert ours.label == "net: bo seed 0"
    assert dict(ours.facts)["schedules"] == "1 predicted, 1 record"
    assert [point.best_secs for point in ours.curves[0].points] == [9e-3, 3e-3]
    assert [(task.name, task.weight, task.trials, task.best_secs) for task in ours.tasks] == [
        ("conv2d 1x8", 2.0, 4, 1e-3),
        ("matmul 8x8", 1.0, 0, None),
    ]
    assert failed.error == "it <b>broke</b>"
    assert (failed.curves, failed.tasks[0].best_secs) == ((), 4e-3)
    with pytest.raises(UsageError, match="named twice"):
        subjects([str(tmp_path), str(tmp_path / "bench.json")], no_store, quiet)


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"absent\.json: no such file"):
        subjects(["absent.json"], no_store, quiet)
    with pytest.raises(NotFoundError, match="the store has no tuning run"):
        subjects(["last"], no_store, quiet)


def subject(label: str, best_secs: dict[str, float | None], *, scope: str = "here") -> Subject:
    tasks = tuple(TaskFigure(name, name, 1.0, 4, 0, secs) for name, secs in best_secs.items())
    return Subject(label, (scope,), (), (), tasks, Guesses(), Roof())


def test_ratios_are_to_the_first_that_has_the_workload_and_never_across_machines() -> None:
    rows = compared(
        [
            subject("first", {"a": 1.0, "b": 4.0, "lonely": 1.0, "failed": None}),
            subject("second", {"a": 2.0, "b": 1.0, "late": 3.0, "failed": 1.0}),
            subject("abroad", {"a": 9.0, "late": 1.0}, scope="elsewhere"),
        ]
    )
    assert [(row.name, row.best_secs, row.ratios) for row in rows] == [
        ("a", (1.0, 2.0, 9.0), (1.0, 2.0, None)),
        ("b", (4.0, 1.0, None), (1.0, 0.25, None)),
        ("late", (None, 3.0, 1.0), (None, 1.0, None)),
    ]
