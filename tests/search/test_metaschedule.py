import logging
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

    from search.metaschedule import BayesianOptimization

    strategy = BayesianOptimization(seed=seed, batch_size=4)
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

    from search.metaschedule import BayesianOptimization

    strategy = BayesianOptimization(seed=0, batch_size=4)
    strategy._initialize_with_tune_context(context)
    strategy.pre_tuning(8, 64, context.generate_design_space())
    first = strategy.generate_measure_candidates()
    strategy.notify_runner_results(first, [ms.runner.RunnerResult(None, "it crashed")] * len(first))
    second = strategy.generate_measure_candidates()
    assert second is not None
    assert {str(c.sch.mod) for c in first}.isdisjoint(str(c.sch.mod) for c in second)


def without_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock names its logger's handlers in a configuration, and those that pytest adds to it before each test, once it
    does not propagate any more, have no names.
    """
    monkeypatch.setattr(logging.getLogger("tvm.s_tir.meta_schedule"), "handlers", [])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with tunedb.open_store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def parts(target: Target, store: Store) -> Iterator[dict[str, Any]]:
    """What is ours in a tuning call of stock's."""
    import search
    from search.measure.local import PersistentBuilder, PersistentRunner
    from tunedb.metaschedule.replay import target_to_tvm

    builder, runner = PersistentBuilder(target, max_workers=1), PersistentRunner(target, repeat=1)
    strategy = search.bayesian_optimization(store, target_to_tvm(target))
    yield {"builder": builder, "runner": runner, "strategy": strategy}
    builder.close()
    runner.close()


def test_runs_inside_stock_tune_tir(
    small_matmul: Any,
    target: Target,
    tmp_path: Path,
    store: Store,
    parts: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With stock's JSON database and callbacks, and no part of ours but the strategy and the pools."""
    without_handlers(monkeypatch)
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


def test_runs_inside_relax_tuning(
    target: Target, tmp_path: Path, store: Store, parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model with two tasks, each of which gets a search of its own."""
    without_handlers(monkeypatch)
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


def test_the_last_trials_may_be_any_neighbour_of_the_best(context: Any) -> None:
    from search.bo.proposals import Proposer
    from search.bo.surrogate import Surrogate
    from search.space.spaces import DesignSpaces

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    proposer = Proposer(spaces, context, None)
    pool = proposer.propose(Surrogate(has_prior=False), beta=1.0)
    proposer.learn(pool.take(range(4)), np.array([4e-5, 1e-5, 3e-5, np.inf]))
    best = pool.candidates[1]
    wanted = {str(sorted(decisions.items())) for _, decisions in spaces.neighbours(best)}
    proposer.polish()
    everything = proposer.choose(lambda pool: range(len(pool)))
    made = {str(sorted(candidate.decisions.items())) for candidate in everything.candidates}
    proposer.close()
    assert len(made & wanted) > len(wanted) / 2  # the rest are the same program, or not valid


def test_tasks_that_share_trials_polish_in_the_end_of_the_run(context: Any, target: Target) -> None:
    from search.metaschedule import BayesianOptimization
    from search.recorder import RunRecorder
    from tunedb.identity import source
    from tunedb.machine.hardware import this_machine

    run = RunRecorder(None, target, this_machine(), source("tune:0", "tune", {}), total=40)
    strategy = BayesianOptimization(run=run)
    strategy._initialize_with_tune_context(context)
    strategy.pre_tuning(40, 64, context.generate_design_space())
    assert not strategy.is_ending()
    run.num_trials = 30  # by all tasks
    assert strategy.is_ending()
    strategy.post_tuning()

    alone = BayesianOptimization()
    alone.total, alone.remaining = 40, 11
    assert not alone.is_ending()
    alone.remaining = 10
    assert alone.is_ending()
