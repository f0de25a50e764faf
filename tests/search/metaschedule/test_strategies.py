from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tunedb
from tunedb.records import Target
from tunedb.store.contract import Store

pytestmark = pytest.mark.tvm


def proposals(context: Any, seed: int) -> list[int]:
    """Keys of eight trials, each batch answered with made-up latencies."""
    import tvm_ffi
    from tvm.s_tir import meta_schedule as ms

    from search.bo.tuner import BayesianOptimization
    from search.metaschedule import TunerStrategy

    strategy = TunerStrategy(BayesianOptimization(), seed=seed, batch_size=4)
    strategy._initialize_with_tune_context(context)
    strategy.pre_tuning(8, 64, context.generate_design_space())
    keys: list[int] = []
    for number in range(4):  # the first batches are half as large
        batch = strategy.generate_measure_candidates()
        assert len(batch) == 2
        keys += [int(tvm_ffi.structural_hash(candidate.sch.mod)) for candidate in batch]
        results = [ms.runner.RunnerResult([1e-5 * (1 + i + number)], None) for i in range(len(batch))]
        strategy.notify_runner_results(batch, results)
    assert strategy.generate_measure_candidates() is None
    strategy.post_tuning()
    return keys


def test_same_seed_same_proposals_and_none_twice(context: Any) -> None:
    first = proposals(context, seed=3)
    assert first == proposals(context, seed=3)
    assert len(set(first)) == len(first) == 8
    assert first != proposals(context, seed=4)


def test_failed_candidates_are_not_proposed_again(context: Any) -> None:
    from tvm.s_tir import meta_schedule as ms

    from search.bo.tuner import BayesianOptimization
    from search.metaschedule import TunerStrategy

    strategy = TunerStrategy(BayesianOptimization(), batch_size=4)
    strategy._initialize_with_tune_context(context)
    strategy.pre_tuning(8, 64, context.generate_design_space())
    first = strategy.generate_measure_candidates()
    strategy.notify_runner_results(first, [ms.runner.RunnerResult(None, "it crashed")] * len(first))
    second = strategy.generate_measure_candidates()
    assert second is not None
    assert {str(c.sch.mod) for c in first}.isdisjoint(str(c.sch.mod) for c in second)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with tunedb.open_store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def parts(target: Target, store: Store) -> Iterator[dict[str, Any]]:
    """What is ours in a tuning call of stock's."""
    import search
    from search.measure.device import Timing
    from search.measure.local import LocalCpu, LocalOptions
    from search.metaschedule import DeviceBuilder, DeviceRunner
    from tunedb.metaschedule.replay import target_to_tvm

    strategy = search.bayesian_optimization(store, target_to_tvm(target))
    with LocalCpu(target, LocalOptions(timing=Timing(repeat=1))) as device:
        yield {"builder": DeviceBuilder(device), "runner": DeviceRunner(device), "strategy": strategy}


def test_runs_inside_stock_tune_tir(
    small_matmul: Any,
    target: Target,
    tmp_path: Path,
    store: Store,
    parts: dict[str, Any],
) -> None:
    """With stock's JSON database and callbacks, and no part of ours but the strategy and the device."""
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import target_to_tvm

    database = ms.tune_tir(
        small_matmul,
        target_to_tvm(target),
        str(tmp_path / "work"),
        max_trials_global=6,
        num_trials_per_iter=3,
        seed=0,
        **parts,
    )
    records = database.get_all_tuning_records()
    assert len(records) == 6
    secs = np.array([float(record.run_secs[0]) for record in records])
    assert ((secs > 0) & (secs < 1)).all()
    stored = list(store.trials())
    assert [trial.target_id for trial in stored] == [target.target_id] * 6
    assert sorted(trial.run_secs[0] for trial in stored) == pytest.approx(sorted(secs))


def test_runs_inside_relax_tuning(target: Target, tmp_path: Path, store: Store, parts: dict[str, Any]) -> None:
    """Of a model with two tasks, each of which gets a search of its own."""
    from tvm import relax
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import target_to_tvm

    data = relax.Var("data", relax.TensorType((32, 48), "float32"))
    weight = relax.Var("weight", relax.TensorType((48, 64), "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [data, weight]):
        product = builder.emit(relax.op.matmul(data, weight))
        builder.emit_func_output(builder.emit(relax.op.nn.softmax(product)))
    module = relax.transform.LegalizeOps()(builder.get())
    database = ms.relax_integration.tune_relax(
        module,
        {},
        target_to_tvm(target),
        str(tmp_path / "work"),
        max_trials_global=8,
        num_trials_per_iter=4,
        seed=0,
        **parts,
    )
    assert len(database.get_all_tuning_records()) == 8
    measured = [row.num_trials for row in store.workloads()]
    assert len(measured) == 2
    assert min(measured) > 0
    assert sum(measured) == 8


def test_a_task_knows_the_share_of_trials_that_all_tasks_of_the_run_have_left(context: Any, target: Target) -> None:
    from search.contract import Tuner, TunerTask
    from search.metaschedule import TunerStrategy
    from search.recorder import Recorder
    from tunedb.identity import source
    from tunedb.machine.hardware import this_machine

    seen: list[TunerTask] = []

    class Factory:
        name = "watched"

        def __call__(self, task: TunerTask) -> Tuner:
            seen.append(task)
            return Nothing()

    class Nothing(Tuner):
        def ask(self, number: int, pending: Any = ()) -> list[Any]:
            return []

        def tell(self, results: Any) -> None:
            raise AssertionError

    run = Recorder(None, target, this_machine(), source("tune:0", "tune", {}), total=40)
    for recorder in (run, None):
        strategy = TunerStrategy(Factory(), batch_size=4, recorder=recorder)
        strategy._initialize_with_tune_context(context)
        strategy.pre_tuning(16, 3, context.generate_design_space())
        assert strategy.generate_measure_candidates() is None
        strategy.post_tuning()
    shared, alone = seen
    assert (shared.trials, shared.batch_size) == (16, 3)
    assert shared.share_left is not None
    assert shared.share_left() == 1.0
    run.num_trials = 30  # by all tasks
    assert shared.share_left() == 0.25
    assert alone.share_left is None


def test_what_was_never_run_is_told_to_nobody(context: Any) -> None:
    """Neither the tuner nor the store takes it for a failure."""
    from tvm.s_tir import meta_schedule as ms

    from search.bo.tuner import BayesianOptimization
    from search.metaschedule import TunerStrategy
    from search.metaschedule.measuring import INTERRUPTED

    strategy = TunerStrategy(BayesianOptimization(), batch_size=4)
    strategy._initialize_with_tune_context(context)
    strategy.pre_tuning(8, 64, context.generate_design_space())
    batch = strategy.generate_measure_candidates()
    results = [ms.runner.RunnerResult([1e-5], None), ms.runner.RunnerResult(None, INTERRUPTED)]
    told: list[Any] = []
    strategy.tuner.tell = told.extend
    strategy.notify_runner_results(batch, results)
    strategy.post_tuning()
    assert [(result.number, result.run_secs) for result in told] == [(0, pytest.approx(1e-5))]


def test_for_a_gpu_nothing_was_learned_for_a_search_begins_with_the_roofline() -> None:
    from search.prior import prior_of
    from search.targets import parse_target
    from tunedb.store.memory import MemoryStore

    target = parse_target("nvidia/nvidia-h100")
    found = prior_of(MemoryStore(), target)
    assert found.model is not None and found.recall is not None
    assert found.text.startswith("none that has learned: a gpu-roofline model; the store has no cost model")
    assert prior_of(MemoryStore(), target, use_prior=False).recall is None
