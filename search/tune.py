"""The public call: tune tasks with a strategy on this machine, telling the store of every trial."""

from __future__ import annotations

import dataclasses
import logging
import secrets
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from search.bo.predict import predict_best
from search.bo.surrogate import Trust, unlearned
from search.bo.warm_start import History, recall
from search.confirm import confirm
from search.measure.correctness import NumbersCheck, check_numbers
from search.measure.workers import device_type
from search.networks.tasks import Task
from search.recorder import RunRecorder, TrialEvent
from tunedb import identity
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_from_tvm, target_to_tvm, workload_from_module
from tunedb.records import Outcome, Source, Target, Trace, Trial, Workload
from tunedb.store.contract import Store

STRATEGIES = ("bo", "evolutionary", "random")
BASELINES = ("tpe", "index-bo")  # for benchmarks

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a run found for one task."""

    name: str
    workload_hash: str  # our workload id
    trials: int
    failed: int
    passes: int  # further measurements of the fastest schedules, until they could be told apart
    best: Trial | None  # None when no trial succeeded
    numbers: NumbersCheck | None = None  # whether the best computes what the untuned program does; None: not asked
    predicted: Trace | None = None  # when nothing was to be measured: the schedule believed to be the best; it compiles
    trust: Trust | None = None  # in the cost model that the search started from, when there was one


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What a tuning run did. `tasks` has the heaviest task first."""

    target: Target
    strategy: str
    seed: int
    prior: str  # what the search started from, for people
    trials: int
    failed: int
    elapsed_secs: float
    strategy_secs: float  # of these, spent by "bo" in choosing what to measure
    interrupted: bool
    source_id: str
    drift: float  # by which the machine was slower than at its best, in its slowest batch; 1 for not at all
    tasks: tuple[TaskReport, ...]


def tune(
    tasks: Sequence[Task],
    *,
    store: Store,
    target: Target,
    trials: int,
    strategy: str = "bo",
    seed: int = 0,
    use_prior: bool = True,
    model: CostModel | None = None,
    batch_size: int | None = None,
    check: bool = True,
    flush_cache: bool = False,
    on_trial: Callable[[TrialEvent], None] | None = None,
    stop: threading.Event | None = None,
) -> TuneReport:
    """Tunes tasks on this machine and appends every trial to the store as it is measured.

    Args:
        tasks: what to tune; several share the trials through MetaSchedule's gradient task scheduler.
        store: learns of each trial, and gives the cost model that "bo" starts from; where it has none, what ships with
            tunedb does. The best schedules that ship stand beside the store's.
        target: what to generate code for; it must be one that this machine runs.
        trials: how many candidates to measure, over all tasks. 0 measures none: "bo" then says, for each task, which
            schedule it believes to be the best, and compiles it.
        strategy: "bo" (Bayesian optimization), "evolutionary" (stock: evolutionary search with its XGBoost model) or
            "random" (stock's replay-trace); for benchmarks "tpe" and "index-bo" (see `search.baselines`).
        seed: of all randomness.
        use_prior: False starts "bo" cold: without a cost model that has learned anything (a roofline stands in for it),
            and without what the store knows of the workloads.
        model: starts "bo" instead of the store's cost model, and without the schedules that ship; with "evolutionary",
            takes the place of stock's.
        batch_size: candidates between two updates; 8 for "bo", stock's 64 (or `trials`) otherwise.
        check: whether in the end the fastest schedules are measured again, in turn, until they can be told apart (see
            `TaskReport.passes`), and the numbers of the best compared with those of the untuned program.
        flush_cache: whether candidates are measured with cold caches, as in a model whose other layers ran before.
        on_trial: called after each trial.
        stop: when set, the run ends after the candidate being measured; what was finished is in the store.

    Raises:
        UsageError: an unknown strategy, a negative count, no task, no trials for a strategy that must measure, a target
            that is no CPU.
        MeasurementError: this machine cannot build or run code for the target, or every single trial failed.
        StoreError: the store cannot be written.
    """
    if strategy not in (*STRATEGIES, *BASELINES):
        raise UsageError(f"unknown strategy {strategy!r}: choose one of {', '.join(STRATEGIES)}")
    if trials < 0 or (trials == 0 and strategy != "bo"):
        raise UsageError(f"trials must be at least {0 if strategy == 'bo' else 1} with {strategy}, not {trials}")
    if not tasks:
        raise UsageError("there is nothing to tune")
    if device_type(target.kind) != "cpu":
        raise UsageError(
            f"tunedb tunes for CPUs (llvm, c), not for {target.kind}: there, give search.bayesian_optimization to "
            "MetaSchedule's own tuning calls as their strategy"
        )
    intrinsics.register_for(target.kind, target.keys)
    from tvm.s_tir import meta_schedule as ms

    from search.measure.local import PersistentBuilder, PersistentRunner
    from search.measure.placement import place
    from search.measure.reference_kernels import Canaries

    logging.getLogger("tvm.s_tir.meta_schedule").setLevel(logging.WARNING)
    stop = stop or threading.Event()
    cores = target.num_cores or 1
    conditions = identity.conditions_of(caches="flushed" if flush_cache else None)
    recorder = RunRecorder(
        store,
        target,
        this_machine(),
        _source(strategy, seed, "", flush_cache),
        total=trials,
        on_trial=on_trial,
        conditions=conditions,
    )
    placement = place(cores)
    builder = PersistentBuilder(target, max_workers=cores, observer=recorder, cores=placement.building)
    runner = PersistentRunner(
        target,
        observer=recorder,
        stop=stop,
        stop_above=recorder.stop_above,
        before_batch=recorder.measure_canaries,
        flush_cache=flush_cache,
        builder=builder,
        cores=placement.measuring,
    )
    try:
        # Their processes start while the model is read.
        loaded, prior = (model, "given") if model is not None else (None, "none")
        if strategy == "bo" and model is None:
            loaded, prior = _load_prior(store, target) if use_prior else _learned_nothing(target)
        recorder.source = _source(strategy, seed, prior, flush_cache)
        shipped = of_kind(target.kind).prior.schedules if use_prior and model is None else ()
        remember = partial(recall, store, target=target, shipped=shipped, conditions=conditions) if use_prior else None
        chosen = _strategy(strategy, loaded, seed, batch_size, remember, recorder, stop)
        contexts = [
            ms.TuneContext(
                mod=task.mod,
                target=target_to_tvm(target),
                space_generator="post-order-apply",
                search_strategy=chosen,
                task_name=task.name,
                rand_state=seed + 1 + number,
                num_threads=cores,
            ).clone()
            for number, task in enumerate(tasks)
        ]
        canaries = Canaries(target, builder, runner)
        recorder.use_canaries(canaries)
        builder.is_pipelined = placement.is_apart and not canaries.is_disturbed(builder)
        builder.is_in_turn = cores == 1 and not builder.is_pipelined  # nothing would be built at the same time
        builder.compiles_in = runner.pool if builder.is_in_turn and target.kind == "llvm" else None
        if trials == 0:
            rng = np.random.default_rng(seed)
            for task, context in zip(tasks, contexts, strict=True):
                mine = recorder.for_task(workload_from_module(task.mod), task.name)
                known = remember(mine.workload) if remember else History()
                mine.predicted = predict_best(context, loaded, known, rng, builder)
            return _report(recorder, tasks, target, strategy, seed, prior, interrupted=False)
        with tempfile.TemporaryDirectory(prefix="tunedb-") as work_dir:
            ms.tune_tasks(
                tasks=contexts,
                task_weights=[task.weight for task in tasks],
                work_dir=work_dir,
                max_trials_global=trials,
                num_trials_per_iter=min(batch_size or 64, trials),
                builder=builder,
                runner=runner,
                database=ms.database.MemoryDatabase(),
                cost_model=_cost_model(strategy, model, seed),
                measure_callbacks=[
                    ms.measure_callback.AddToDatabase(),
                    ms.measure_callback.RemoveBuildArtifact(),
                    ms.measure_callback.UpdateCostModel(),
                ],
            )
        for task, mine in zip(tasks, recorder.tasks, strict=False):
            if check and mine.best is not None and not stop.is_set():
                confirm(mine, task.mod, builder, runner)
                mine.numbers = check_numbers(task.mod, mine.best.trace, target, builder, runner)
    finally:
        recorder.flush()
        builder.close()
        runner.close()
    return _report(recorder, tasks, target, strategy, seed, prior, interrupted=stop.is_set())


def bayesian_optimization(
    store: Store, target: object, *, seed: int = 0, use_prior: bool = True, batch_size: int = 8
) -> Any:
    """The search strategy for MetaSchedule's own tuning calls: learns from a store, and tells it of every trial.

    `ms.tune_tir(mod, target, work_dir, 64, strategy=search.bayesian_optimization(store, target))`

    Args:
        store: gives the cost model to start from, and is appended to, a batch at a time.
        target: the target of the tuning call (TVM's, or what TVM makes one of).
        seed: of all randomness.
        use_prior: False starts cold: without a cost model that has learned anything, and without what the store knows
            of the workloads.
        batch_size: candidates between two updates of the posterior.

    Returns:
        A `tvm.s_tir.meta_schedule.search_strategy.SearchStrategy`.
    """
    ours = target_from_tvm(target)
    model, prior = _load_prior(store, ours) if use_prior else _learned_nothing(ours)
    recorder = RunRecorder(store, ours, this_machine(), _source("bo", seed, prior), total=0)
    shipped = of_kind(ours.kind).prior.schedules if use_prior else ()
    remember = partial(recall, store, target=ours, shipped=shipped) if use_prior else None
    return _strategy("bo", model, seed, batch_size, remember, recorder, None)


def _load_prior(store: Store, target: Target) -> tuple[Any, str]:
    from costmodels.registry.choose import load_model

    loaded = load_model(store, target.target_id, kind=target.kind)
    if loaded is None:
        return None, "none: the store has no cost model for this kind of target (see 'tunedb train')"
    return loaded.model, loaded.describe()


def _learned_nothing(target: Target) -> tuple[CostModel | None, str]:
    """What stands in for a cost model that has learned."""
    model = unlearned(target.kind)
    return model, "none" if model is None else f"none that has learned: a {model.kind} model"


def _strategy(
    name: str,
    model: Any,
    seed: int,
    batch_size: int | None,
    remember: Callable[[Workload], History] | None,
    run: RunRecorder,
    stop: threading.Event | None,
) -> Any:
    from tvm.s_tir import meta_schedule as ms

    from search.metaschedule import BayesianOptimization, Recorded

    if name == "bo":
        return BayesianOptimization(model, seed=seed, batch_size=batch_size or 8, recall=remember, run=run, stop=stop)
    if name == "tpe":
        from search.baselines.tpe import Tpe

        return Tpe(seed=seed, batch_size=batch_size or 8, run=run, stop=stop)
    if name == "index-bo":
        from search.baselines.index_bo import IndexBayesianOptimization

        return IndexBayesianOptimization(seed=seed, batch_size=batch_size or 8, run=run, stop=stop)
    inner = ms.search_strategy.EvolutionarySearch() if name == "evolutionary" else ms.search_strategy.ReplayTrace()
    return Recorded(inner, run=run, stop=stop)


def _cost_model(strategy: str, model: CostModel | None, seed: int) -> Any:
    """What MetaSchedule's own strategies rank by."""
    if strategy != "evolutionary":
        return "random"
    if model is None:
        return "xgb"
    from costmodels.metaschedule import cost_model

    return cost_model(model, seed=seed)


def _source(strategy: str, seed: int, prior: str, flush_cache: bool = False) -> Source:
    import tvm

    detail = {"prior": prior, "seed": seed, "strategy": strategy, "tvm_version": str(tvm.__version__)}
    if flush_cache:
        detail["flush_cache"] = True
    made = identity.source(f"tune:{secrets.token_hex(8)}", "tune", detail)
    return dataclasses.replace(made, added_at=datetime.now(UTC))


def _report(
    recorder: RunRecorder,
    tasks: Sequence[Task],
    target: Target,
    strategy: str,
    seed: int,
    prior: str,
    *,
    interrupted: bool,
) -> TuneReport:
    everything = [trial for task in recorder.tasks for trial in task.trials]
    failed = [trial for trial in everything if trial.outcome is not Outcome.OK]
    if everything and len(failed) == len(everything) and not interrupted:
        raise MeasurementError(
            f"all {len(failed)} trials failed; the last one, {failed[-1].outcome}: {failed[-1].error or 'no cause'}"
        )
    weight = {task.name: task.weight for task in tasks}
    reports = [
        TaskReport(
            name=task.name,
            workload_hash=task.workload.workload_id,
            trials=len(task.trials),
            failed=sum(trial.outcome is not Outcome.OK for trial in task.trials),
            passes=len(task.passes),
            best=task.best,
            numbers=task.numbers,
            predicted=task.predicted,
            trust=task.trust,
        )
        for task in recorder.tasks
    ]
    reports.sort(key=lambda report: -weight.get(report.name, 1.0))
    return TuneReport(
        target=target,
        strategy=strategy,
        seed=seed,
        prior=prior,
        trials=len(everything),
        failed=len(failed),
        elapsed_secs=recorder.elapsed_secs,
        strategy_secs=sum(task.strategy_secs for task in recorder.tasks),
        interrupted=interrupted,
        source_id=recorder.source.source_id,
        drift=recorder.worst_drift,
        tasks=tuple(reports),
    )
