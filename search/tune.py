"""The public call: tune tasks with a strategy on a device, with every trial in the store as it is measured."""

from __future__ import annotations

import dataclasses
import logging
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.model import CostModel
from search.bo.tuner import BayesianOptimization, BayesianTuner
from search.confirm import confirm
from search.contract import TunerFactory
from search.measurable import LeftOut, measurable, told
from search.measure.correctness import check_numbers
from search.measure.device import Device, Timing
from search.measure.workers import device_type
from search.networks.tasks import Task
from search.options import STRATEGIES, TuneOptions
from search.predict import predict_best
from search.prior import Prior, prior_of
from search.recorder import Recorder, TrialEvent
from search.report import Found, Run, TaskReport, TuneReport, report
from tunedb import identity
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_from_tvm, target_to_tvm, workload_from_module
from tunedb.metaschedule.target_check import check_target
from tunedb.records import Source, Target
from tunedb.store.contract import Store

if TYPE_CHECKING:
    from search.measure.drift import Drift
    from search.metaschedule import TaskSearch

__all__ = ["STRATEGIES", "TaskReport", "TuneOptions", "TuneReport", "bayesian_optimization", "run_tuning", "tune"]

_BATCH_SIZE = 8  # of tuners
_STOCK_BATCH_SIZE = 64


def tune(
    tasks: Sequence[Task],
    *,
    store: Store,
    target: Target,
    trials: int,
    strategy: str | TunerFactory = "bo",
    seed: int = 0,
    use_prior: bool = True,
    model: CostModel | None = None,
    batch_size: int | None = None,
    check: bool = True,
    flush_cache: bool = False,
    run_timeout_secs: float | None = None,
    build_timeout_secs: float | None = None,
    device: Device | None = None,
    on_trial: Callable[[TrialEvent], None] | None = None,
    on_repeat: Callable[[TrialEvent], None] | None = None,
    stop: threading.Event | None = None,
) -> TuneReport:
    """Tunes tasks on a device and appends every trial to the store as it is measured.

    Args:
        tasks: What to tune; several share the trials through MetaSchedule's gradient task scheduler.
        store: The store that is given each trial, and gives the cost model that "bo" starts from; where it has none,
            the bundled prior does. The best bundled schedules stand beside the store's.
        target: What to generate code for; it must be one that the device runs.
        trials: See `TuneOptions`, as for all that follow up to `device`, but for `model`.
        strategy: A name, or what makes a tuner for each task.
        seed: The seed of all randomness.
        use_prior: Whether the search starts from what is known.
        model: The cost model that "bo" starts from instead of the store's, and without the bundled schedules; with
            "evolutionary", it takes the place of stock's.
        batch_size: Candidates between two updates.
        check: Whether the best are measured again, and compared with the untuned program.
        flush_cache: Whether candidates are measured with cold caches.
        run_timeout_secs: The longest measurement of one candidate.
        build_timeout_secs: The longest build of one.
        device: What builds and runs; the caller closes it. None is this machine's CPU.
        on_trial: Called with each trial once it is stored, in their order, one at a time, by any thread.
        on_repeat: Likewise with each further measurement of one of the fastest schedules.
        stop: When set, the run ends after the candidate being measured; what was finished is in the store.

    Returns:
        What was found.

    Raises:
        UsageError: The options make no sense, there is no task, or a target that is no CPU and no device for it.
        MeasurementError: The device cannot build or run code for the target, nothing of the tasks can be measured, or
            every single trial failed.
        StoreError: The store cannot be written.
    """
    options = TuneOptions(
        trials,
        strategy,
        seed,
        use_prior,
        batch_size,
        check,
        flush_cache,
        run_timeout_secs,
        build_timeout_secs,
    )
    return run_tuning(
        tasks,
        options,
        store=store,
        target=target,
        model=model,
        device=device,
        on_trial=on_trial,
        on_repeat=on_repeat,
        stop=stop,
    )


def run_tuning(
    tasks: Sequence[Task],
    options: TuneOptions,
    *,
    store: Store,
    target: Target,
    model: CostModel | None = None,
    device: Device | None = None,
    on_trial: Callable[[TrialEvent], None] | None = None,
    on_repeat: Callable[[TrialEvent], None] | None = None,
    stop: threading.Event | None = None,
) -> TuneReport:
    """As `tune`, with the options as one value."""
    if not tasks:
        raise UsageError("there is nothing to tune")
    if device is None and device_type(target.kind) != "cpu":
        raise UsageError(
            f"tunedb tunes for CPUs (llvm, c), not for {target.kind}: there, give search.bayesian_optimization to "
            "MetaSchedule's own tuning calls as their strategy"
        )
    if device is None and target.num_cores is None:
        raise UsageError(f'the target {target.text} does not say how many cores: add "num-cores", such as -num-cores=1')
    if device is not None and device.target.target_id != target.target_id:
        raise UsageError(f"the device runs {device.target.text}, not {target.text}")
    check_target(target)
    if device is not None and (options.run_timeout_secs or options.build_timeout_secs):
        raise UsageError("a device that is given has its own time-outs")
    intrinsics.register_for(target.kind, target.keys)
    logging.getLogger("tvm.s_tir.meta_schedule").setLevel(logging.WARNING)
    started = time.monotonic()
    listeners = on_trial, on_repeat
    ending = stop or threading.Event()
    if device is None:
        with _this_cpu(target, options) as own:
            return _tuned(tasks, options, store, target, model, own, listeners, ending, started)
    return _tuned(tasks, options, store, target, model, device, listeners, ending, started)


def bayesian_optimization(
    store: Store, target: object, *, seed: int = 0, use_prior: bool = True, batch_size: int = 8
) -> Any:
    """The search strategy for MetaSchedule's own tuning calls: learns from a store, and tells it of every trial.

    `ms.tune_tir(mod, target, work_dir, 64, strategy=search.bayesian_optimization(store, target))`

    Args:
        store: The store that gives the cost model to start from, and is appended to, a batch at a time.
        target: The target of the tuning call (TVM's, or what TVM makes one of).
        seed: The seed of all randomness.
        use_prior: False starts cold: without a cost model that has learned anything, and without what the store knows
            of the workloads.
        batch_size: Candidates between two updates of the posterior.

    Returns:
        A `tvm.s_tir.meta_schedule.search_strategy.SearchStrategy`.
    """
    from search.metaschedule import TunerStrategy

    ours = check_target(target_from_tvm(target))
    prior = prior_of(store, ours, use_prior=use_prior)
    recorder = Recorder(store, ours, this_machine(), _source("bo", seed, prior.text), total=0)
    factory = BayesianOptimization(prior.model, prior.recall)
    return TunerStrategy(factory, seed=seed, batch_size=batch_size, recorder=recorder)


def _this_cpu(target: Target, options: TuneOptions) -> Device:
    from search.measure.local import RUN_TIMEOUT_SECS, LocalCpu, LocalOptions
    from search.measure.placement import place

    cores = target.num_cores or 1
    local = LocalOptions(
        build_workers=cores,
        build_timeout_secs=options.build_timeout_secs,
        run_timeout_secs=options.run_timeout_secs or RUN_TIMEOUT_SECS,
        placement=place(cores),
    )
    return LocalCpu(target, local)


def _tuned(
    tasks: Sequence[Task],
    options: TuneOptions,
    store: Store,
    target: Target,
    model: CostModel | None,
    device: Device,
    listeners: tuple[Callable[[TrialEvent], None] | None, Callable[[TrialEvent], None] | None],
    ending: threading.Event,
    started: float,
) -> TuneReport:
    from search.measure.drift import Drift
    from search.measure.reference_kernels import ReferenceKernels

    name, seed = options.strategy_name, options.seed
    if name == "bo":  # the device starts meanwhile
        prior = prior_of(store, target, use_prior=options.use_prior, model=model, conditions=options.conditions)
    else:
        prior = Prior(model, "none" if model is None else "given", None)
    source = _source(name, seed, prior.text, options.flush_cache)
    recorder = Recorder(
        store,
        target,
        device.hardware,
        source,
        total=options.trials,
        on_trial=listeners[0],
        on_repeat=listeners[1],
        conditions=options.conditions,
        started=started,
    )
    tasks, left_out = measurable(tasks)
    if not tasks:
        raise MeasurementError(f"nothing of it can be measured: {told(left_out)}")
    run = Run(recorder, name, seed, prior.text, left_out=tuple(left_out))
    try:
        kernels = ReferenceKernels(device)
        drift = Drift(kernels, source)
        recorder.attach(drift.measure(), drift.modules)
        device.calibrate(kernels.arithmetic)
        if options.trials == 0:
            run = _predicted(run, tasks, prior, device)
        else:
            run = _searched(run, tasks, options, prior, device, drift, ending)
    finally:
        recorder.close()
    return report(run, {task.name: task.weight for task in tasks})


def _predicted(run: Run, tasks: Sequence[Task], prior: Prior, device: Device) -> Run:
    """Measures nothing: what the prior believes to be the best of each task."""
    from search.space.spaces import DesignSpaces

    rng = np.random.default_rng(run.seed)
    found = {}
    left_out = list(run.left_out)
    for context, task in zip(_contexts(tasks, device.target, run.seed, "replay-trace"), tasks, strict=True):
        mine = run.recorder.begin_task(*workload_from_module(task.mod), task.name)
        history = prior.recall(mine.workload) if prior.recall is not None else None
        spaces = DesignSpaces(context, context.generate_design_space(), rng)
        tuner = BayesianTuner(spaces, prior.model, trials=0, history=history)
        try:
            found[mine] = Found(predicted=predict_best(tuner, device))
        except MeasurementError as error:
            left_out.append(LeftOut(task.name, str(error)))
        finally:
            tuner.close()
    if not found:
        raise MeasurementError(f"nothing can be predicted: {told(left_out)}")
    return dataclasses.replace(run, found=found, left_out=tuple(left_out))


def _searched(
    run: Run,
    tasks: Sequence[Task],
    options: TuneOptions,
    prior: Prior,
    device: Device,
    drift: Drift,
    stop: threading.Event,
) -> Run:
    """Searches all tasks with MetaSchedule's gradient task scheduler."""
    from tvm.s_tir import meta_schedule as ms

    from search.metaschedule import DeviceBuilder, DeviceRunner

    recorder, target = run.recorder, device.target
    searches: list[TaskSearch] = []
    strategy = _strategy(options, prior, recorder, drift, stop, searches)
    timing = Timing(flush_cache=True) if options.flush_cache else None
    with tempfile.TemporaryDirectory(prefix="tunedb-") as work_dir:
        ms.tune_tasks(
            tasks=_contexts(tasks, target, run.seed, strategy),
            task_weights=[task.weight for task in tasks],
            work_dir=work_dir,
            max_trials_global=options.trials,
            num_trials_per_iter=min(options.batch_size or _STOCK_BATCH_SIZE, options.trials),
            builder=DeviceBuilder(device, recorder),
            runner=DeviceRunner(device, recorder, drift, stop, timing),
            database=ms.database.MemoryDatabase(),
            cost_model=_stock_cost_model(options, prior),
            measure_callbacks=[
                ms.measure_callback.AddToDatabase(),
                ms.measure_callback.RemoveBuildArtifact(),
                ms.measure_callback.UpdateCostModel(),
            ],
        )
    found = {search.recorder: Found(search.trust) for search in searches if search.recorder is not None}
    left_out = [*run.left_out, *(LeftOut(search.name, search.nothing) for search in searches if search.nothing)]
    if not stop.is_set() and not recorder.num_trials:
        raise MeasurementError(f"nothing could be measured: {told(left_out) or 'no task was searched'}")
    for task, mine in zip(tasks, recorder.tasks, strict=False):
        if options.check and mine.best is not None and not stop.is_set():
            confirm(mine, task.mod, device, timing)
            numbers = check_numbers(task.mod, mine.best.trial.trace, device)
            found[mine] = dataclasses.replace(found[mine], numbers=numbers)
    return dataclasses.replace(
        run,
        strategy_secs=sum(search.own_secs for search in searches),
        interrupted=stop.is_set(),
        left_out=tuple(left_out),
        drift=drift.worst,
        found=found,
    )


def _contexts(tasks: Sequence[Task], target: Target, seed: int, strategy: Any) -> list[Any]:
    """A tune context of each task."""
    from tvm.s_tir import meta_schedule as ms

    return [
        ms.TuneContext(
            mod=task.mod,
            target=target_to_tvm(target),
            space_generator="post-order-apply",
            search_strategy=strategy,
            task_name=task.name,
            rand_state=seed + 1 + number,
            num_threads=target.num_cores or 1,
        ).clone()
        for number, task in enumerate(tasks)
    ]


def _strategy(
    options: TuneOptions,
    prior: Prior,
    recorder: Recorder,
    drift: Drift,
    stop: threading.Event,
    searches: list[TaskSearch],
) -> Any:
    """MetaSchedule's form of the strategy."""
    from tvm.s_tir import meta_schedule as ms

    from search.metaschedule import RecordedStrategy, TunerStrategy

    if options.strategy in ("evolutionary", "random"):
        stock = ms.search_strategy
        inner = stock.EvolutionarySearch() if options.strategy == "evolutionary" else stock.ReplayTrace()
        return RecordedStrategy(inner, recorder=recorder, stop=stop, searches=searches)
    factory: TunerFactory = (
        BayesianOptimization(prior.model, prior.recall) if isinstance(options.strategy, str) else options.strategy
    )
    size = options.batch_size or _BATCH_SIZE
    return TunerStrategy(
        factory, seed=options.seed, batch_size=size, recorder=recorder, drift=drift, stop=stop, searches=searches
    )


def _stock_cost_model(options: TuneOptions, prior: Prior) -> Any:
    """What MetaSchedule's own strategies rank by."""
    if options.strategy != "evolutionary":
        return "random"
    if prior.model is None:
        return "xgb"
    from costmodels.metaschedule import cost_model

    return cost_model(prior.model, seed=options.seed)


def _source(strategy: str, seed: int, prior: str, flush_cache: bool = False) -> Source:
    import tvm

    detail = {"prior": prior, "seed": seed, "strategy": strategy, "tvm_version": str(tvm.__version__)}
    if flush_cache:
        detail["flush_cache"] = True
    made = identity.source(f"tune:{secrets.token_hex(8)}", "tune", detail)
    return dataclasses.replace(made, added_at=datetime.now(UTC))
