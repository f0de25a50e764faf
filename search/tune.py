"""The public call: tune tasks with a strategy on a device, with every trial in the store as it is measured."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from costmodels.model import CostModel
from search.bo.tuner import BayesianOptimization
from search.caches import Caches
from search.contract import TunerFactory
from search.measurable import measurable, told
from search.measure.device import Device
from search.measure.workers import device_type
from search.options import STRATEGIES, TuneOptions
from search.prior import prior_of
from search.recorder import Recorder, TrialEvent
from search.report import TaskReport, TuneReport
from search.running import Listeners, run_tasks
from search.sources import source_of
from search.standing import Standing
from search.task import Task
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_from_tvm
from tunedb.metaschedule.target_check import check_target
from tunedb.records import Target
from tunedb.store.contract import Store

__all__ = ["STRATEGIES", "TaskReport", "TuneOptions", "TuneReport", "bayesian_optimization", "run_tuning", "tune"]


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
    caches: Caches = Caches.HOT,
    run_timeout_secs: float | None = None,
    build_timeout_secs: float | None = None,
    least_gain: float = 0.0,
    limit_secs: float | None = None,
    device: Device | None = None,
    on_trial: Callable[[TrialEvent], None] | None = None,
    on_repeat: Callable[[TrialEvent], None] | None = None,
    on_standing: Callable[[Standing], None] | None = None,
    stop: threading.Event | None = None,
) -> TuneReport:
    """Tunes tasks on a device and appends every trial to the store as it is measured.

    Args:
        tasks: What to tune; several share the trials (`search.scheduler`; MetaSchedule's own strategies
            through its gradient task scheduler).
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
        caches: What the caches hold when a candidate is called.
        run_timeout_secs: The longest measurement of one candidate.
        build_timeout_secs: The longest build of one.
        least_gain: When a run of several tasks ends before its trials are spent.
        limit_secs: When the caller will set `stop`.
        device: What builds and runs; the caller closes it. None is this machine's CPU.
        on_trial: Called with each trial once it is stored, in their order, one at a time, by any thread.
        on_repeat: Likewise with each further measurement of one of the fastest schedules.
        on_standing: Called after each batch with how a network of several tasks stands.
        stop: When set, the run ends after the candidate being measured; what was finished is in the store.

    Returns:
        What was found.

    Raises:
        UsageError: The options make no sense, there is no task, or tunedb has no runner for the kind of target.
        MeasurementError: The device cannot build or run code for the target, nothing of the tasks can be measured, or
            every single trial failed; or this machine has no device for the target.
        StoreError: The store cannot be written.
    """
    options = TuneOptions(
        trials,
        strategy,
        seed,
        use_prior,
        batch_size,
        check,
        caches,
        run_timeout_secs,
        build_timeout_secs,
        least_gain,
        limit_secs,
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
        on_standing=on_standing,
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
    on_standing: Callable[[Standing], None] | None = None,
    stop: threading.Event | None = None,
) -> TuneReport:
    """As `tune`, with the options as one value."""
    if not tasks:
        raise UsageError("there is nothing to tune")
    if device is None and device_type(target.kind) == "cpu" and target.num_cores is None:
        raise UsageError(f'the target {target.text} does not say how many cores: add "num-cores", such as -num-cores=1')
    if device is not None and device.target.target_id != target.target_id:
        raise UsageError(f"the device runs {device.target.text}, not {target.text}")
    asked = sum(task.trials or 0 for task in tasks)
    if asked > options.trials:
        raise UsageError(f"{asked} trials are asked for single tasks, and {options.trials} for all: raise --trials")
    check_target(target)
    if device is not None and (options.run_timeout_secs or options.build_timeout_secs):
        raise UsageError("a device that is given has its own time-outs")
    intrinsics.register_for(target.kind, target.keys)
    logging.getLogger("tvm.s_tir.meta_schedule").setLevel(logging.WARNING)
    started = time.monotonic()
    tasks, left_out = measurable(tasks)
    if not tasks:
        raise MeasurementError(f"nothing of it can be measured: {told(left_out)}")

    def run_on(device: Device) -> TuneReport:
        return run_tasks(
            tasks,
            options,
            store,
            target,
            model,
            device,
            left_out=left_out,
            listeners=Listeners(on_trial, on_repeat, on_standing),
            stop=stop or threading.Event(),
            started=started,
        )

    if device is not None:
        return run_on(device)
    from search.measure.here import this_device

    with this_device(
        target, run_timeout_secs=options.run_timeout_secs, build_timeout_secs=options.build_timeout_secs
    ) as own:
        return run_on(own)


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
    recorder = Recorder(store, ours, this_machine(), source_of("bo", seed, prior.text), total=0)
    factory = BayesianOptimization(prior.model, prior.recall)
    return TunerStrategy(factory, seed=seed, batch_size=batch_size, recorder=recorder)
