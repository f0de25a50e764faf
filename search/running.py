"""One tuning run: the tasks go through MetaSchedule's gradient task scheduler, or are predicted, and are reported."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from costmodels.model import CostModel
from search.bo.tuner import BayesianOptimization
from search.claims import Claims
from search.confirm import confirm
from search.contexts import contexts
from search.contract import TunerFactory
from search.funnels import keep
from search.lending import Lent
from search.measurable import LeftOut, told
from search.measure.correctness import check_numbers
from search.measure.device import Device, Timing
from search.measure.verdicts import Verdicts
from search.options import WITHOUT_END, TuneOptions
from search.predict import Asked, Predictor, first_that_compiles
from search.prior import Prior, prior_of
from search.recorder import Recorder, TaskRecorder, TrialEvent
from search.report import Found, Run, TuneReport, report
from search.resuming import errand_of, less_done, trials_done
from search.scheduler import Shared, share_trials
from search.sources import source_of
from search.standing import Standing
from search.task import Task
from search.work import guessed_shares
from tunedb.errors import MeasurementError, UnreachableError
from tunedb.machine.kernels import ARITHMETIC
from tunedb.metaschedule.replay import workload_from_module
from tunedb.query.calibration import calibration
from tunedb.records import Target
from tunedb.store.contract import Store
from tunedb.units import count

if TYPE_CHECKING:
    from search.measure.drift import Drift
    from search.measure.surroundings import Surroundings
    from search.metaschedule import DeviceRunner, TaskSearch

_LOG = logging.getLogger(__name__)
_BATCH_SIZE = 8  # of tuners
_EACH = 2  # candidates of a batch for each machine, where several measure at once
_STOCK_BATCH_SIZE = 64
_LEAST_CONFIRMED = 0.02  # share of a network's time: which of the fastest of less is the fastest makes no difference


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of trials once they are stored."""

    on_trial: Callable[[TrialEvent], None] | None = None
    on_repeat: Callable[[TrialEvent], None] | None = None
    on_standing: Callable[[Standing], None] | None = None  # of a network, after each batch


def run_tasks(
    tasks: Sequence[Task],
    options: TuneOptions,
    store: Store,
    target: Target,
    model: CostModel | None,
    device: Device,
    *,
    left_out: Sequence[LeftOut],
    listeners: Listeners,
    stop: threading.Event,
    started: float,
) -> TuneReport:
    """Tunes tasks on a device; see `search.tune.run_tuning`.

    Args:
        tasks: What can be measured.
        options: How.
        store: The store that is given each trial.
        target: What the device runs.
        model: The cost model to start from instead of the store's.
        device: What builds and runs.
        left_out: What cannot be measured, for the report.
        listeners: Who is told of trials.
        stop: When set, the run ends after the candidate being measured.
        started: When the run began, by `time.monotonic`.

    Raises:
        MeasurementError: Nothing could be measured, or every single trial failed.
        UnreachableError: The machines that measure have gone; what they measured is stored.
        StoreError: The store cannot be written.
    """
    from search.measure.drift import Drift
    from search.measure.reference_kernels import ReferenceKernels

    name, seed, began = options.strategy_name, options.seed, datetime.now(UTC)
    timing = options.caches.timing(tasks)
    conditions = device.conditions(timing or Timing())
    if name == "bo":  # the device starts meanwhile
        prior = prior_of(store, target, use_prior=options.use_prior, model=model, conditions=conditions)
    else:
        prior = Prior(model, "none" if model is None else "given", None)
    workloads = [(workload_from_module(task.mod)[0].workload_id, task.weight) for task in tasks]
    errand = errand_of(workloads, options, target)
    # A run that something else ends is not unfinished for having fewer trials.
    is_counted = options.trials < WITHOUT_END and not options.least_gain
    made = trials_done(store, errand, dict(workloads), target, options.trials) if is_counted else Counter[str]()
    if done := made.total():
        _LOG.warning("the store has %d of the %d trials of such a run: the rest is measured", done, options.trials)
        options, tasks = dataclasses.replace(options, trials=options.trials - done), less_done(tasks, made)
    here = _surroundings(store, target, device)
    source = source_of(
        name, seed, prior.text, options.caches, errand, workloads, here, options.trials, options.limit_secs
    )
    recorder = Recorder(
        store,
        target,
        device.hardware,
        source,
        total=options.trials,
        on_trial=listeners.on_trial,
        on_repeat=listeners.on_repeat,
        conditions=conditions,
        started=started,
        limit_secs=options.limit_secs,
    )
    run = Run(recorder, name, seed, prior.text, left_out=tuple(left_out))
    claims = None
    if options.trials:
        claims = Claims(store, target, device.hardware, conditions, began)
    try:
        if here is not None and options.trials:
            here.begin()
        kernels = ReferenceKernels(device)
        drift = Drift(kernels, source, None if here is None or not options.trials else here.measured)
        recorder.attach(drift.measure(), drift.modules)
        device.calibrate(kernels.arithmetic)
        if options.trials == 0:
            run = _predicted(run, tasks, prior, device)
        else:
            run = _searched(run, tasks, options, prior, device, drift, timing, stop, listeners.on_standing, claims)
            _keep_verdicts(run, Verdicts(store, device, source.uri))
    except UnreachableError as error:
        if not recorder.num_trials:
            raise
        stored = count(recorder.num_trials, "trial")
        raise UnreachableError(f"{error}; {stored} stored, and the same command goes on from there") from error
    finally:
        try:
            recorder.close()
        finally:
            if claims is not None:
                claims.close()
    answer = report(run, {task.name: task.weight for task in tasks})
    if options.trials:
        answer = dataclasses.replace(answer, machine=None if here is None else here.document())
        keep(store, answer)
    return answer


def _surroundings(store: Store, target: Target, device: Device) -> Surroundings | None:
    """What surrounds measurements on this machine's CPU; None where others measure, or a GPU does."""
    from search.measure.surroundings import Surroundings

    if not device.is_here:  # a machine of a fleet may be of the same kind as this one
        return None
    roof = calibration(store, target.target_id, device.hardware.hardware_id).flop_per_sec
    return Surroundings(target.num_cores or 1, ARITHMETIC.work / roof if roof else None)


def _predicted(run: Run, tasks: Sequence[Task], prior: Prior, device: Device) -> Run:
    """Measures nothing: what the prior believes to be the best of each task."""
    found = {}
    left_out = list(run.left_out)
    made, shares = contexts(tasks, device.target, seed=run.seed), guessed_shares(tasks)
    asked = [
        Asked(task, context, share if len(tasks) > 1 else None)
        for task, context, share in zip(tasks, made, shares, strict=True)
    ]
    for task, predicted in zip(tasks, Predictor(prior, run.seed).predict_all(asked), strict=True):
        mine = run.recorder.begin_task(*workload_from_module(task.mod), task.name)
        try:
            found[mine] = Found(predicted=first_that_compiles(predicted, device))
        except MeasurementError as error:
            left_out.append(LeftOut(task.name, str(error)))
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
    timing: Timing | None,
    stop: threading.Event,
    on_standing: Callable[[Standing], None] | None,
    claims: Claims | None,
) -> Run:
    """Searches all tasks: with the scheduler of `search.scheduler`, or MetaSchedule's own for its own strategies."""
    from tvm.s_tir import meta_schedule as ms

    from search.metaschedule import DeviceBuilder, DeviceRunner

    recorder, target = run.recorder, device.target
    factory = _factory(options, prior)
    if factory is not None and len(tasks) > 1:
        shared = Shared(device, recorder, drift, stop, timing, options.least_gain, on_standing, claims)
        found = share_trials(tasks, factory, options.trials, shared, run.seed)
        run = _ended(run, tasks, found.searches, options, device, timing, stop, drift)
        return dataclasses.replace(run, standing=found.standing())
    searches: list[TaskSearch] = []
    size = options.batch_size or max(_BATCH_SIZE, _EACH * device.num_parallel)
    lent = Lent(factory)
    strategy = _strategy(options, lent, recorder, drift, stop, searches, size, claims)
    runner = DeviceRunner(device, recorder, drift, stop, timing)
    with tempfile.TemporaryDirectory(prefix="tunedb-") as work_dir, closing(lent), _own_problem(runner):
        ms.tune_tasks(
            tasks=contexts(tasks, target, strategy, seed=run.seed),
            task_weights=[task.weight for task in tasks],
            work_dir=work_dir,
            max_trials_global=options.trials,
            num_trials_per_iter=min(options.batch_size or _STOCK_BATCH_SIZE, options.trials),
            builder=DeviceBuilder(device, recorder),
            runner=runner,
            database=ms.database.MemoryDatabase(),
            cost_model=_stock_cost_model(options, prior),
            measure_callbacks=[
                ms.measure_callback.AddToDatabase(),
                ms.measure_callback.RemoveBuildArtifact(),
                ms.measure_callback.UpdateCostModel(),
            ],
        )
    return _ended(run, tasks, searches, options, device, timing, stop, drift)


@contextmanager
def _own_problem(runner: DeviceRunner) -> Iterator[None]:
    """What ended a device is the error, and not what MetaSchedule makes of it."""
    try:
        yield
    except Exception:
        if runner.problem is not None:
            raise runner.problem from None
        raise


def _ended(
    run: Run,
    tasks: Sequence[Task],
    searches: Sequence[TaskSearch],
    options: TuneOptions,
    device: Device,
    timing: Timing | None,
    stop: threading.Event,
    drift: Drift,
) -> Run:
    """A run whose trials are spent: the fastest schedules are measured again, and their numbers checked."""
    recorder = run.recorder
    found = {search.recorder: Found(search.trust, search.funnel) for search in searches if search.recorder is not None}
    left_out = [*run.left_out, *(LeftOut(search.name, search.nothing) for search in searches if search.nothing)]
    if not stop.is_set() and not recorder.num_trials and all(task.before is None for task in recorder.tasks):
        raise MeasurementError(f"nothing could be measured: {told(left_out) or 'no task was searched'}")
    measured = [(task, mine) for task, mine in zip(tasks, recorder.tasks, strict=False) if mine.best is not None]
    whole = sum(task.weight * _secs(mine) for task, mine in measured)
    for task, mine in measured:
        if options.check and mine.best is not None and not stop.is_set():
            if task.weight * _secs(mine) >= _LEAST_CONFIRMED * whole:
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


def _keep_verdicts(run: Run, verdicts: Verdicts) -> None:
    """Stores what was found of the numbers of the best."""
    for task, found in run.found.items():
        numbers = found.numbers
        if task.best is not None and numbers is not None and numbers.comparison is not None:
            workload_id, trace = task.workload.workload_id, task.best.trial.trace
            verdicts.keep(workload_id, trace, numbers.comparison, numbers.allowed_deviation)


def _secs(task: TaskRecorder) -> float:
    """What a task's best schedule takes; 0 where there is none."""
    return 0.0 if task.best is None else task.best.estimate.secs


def _strategy(
    options: TuneOptions,
    lent: Lent,
    recorder: Recorder,
    drift: Drift,
    stop: threading.Event,
    searches: list[TaskSearch],
    size: int,
    claims: Claims | None,
) -> Any:
    """MetaSchedule's form of the strategy."""
    from tvm.s_tir import meta_schedule as ms

    from search.metaschedule import RecordedStrategy, TunerStrategy

    if options.strategy in ("evolutionary", "random"):
        stock = ms.search_strategy
        inner = stock.EvolutionarySearch() if options.strategy == "evolutionary" else stock.ReplayTrace()
        return RecordedStrategy(inner, recorder=recorder, stop=stop, searches=searches, claims=claims)
    return TunerStrategy(
        lent,
        seed=options.seed,
        batch_size=size,
        recorder=recorder,
        drift=drift,
        stop=stop,
        searches=searches,
        claims=claims,
    )


def _factory(options: TuneOptions, prior: Prior) -> TunerFactory | None:
    """What makes a tuner for each task; None for MetaSchedule's own strategies."""
    if not isinstance(options.strategy, str):
        return options.strategy
    if options.strategy == "bo":
        return BayesianOptimization(prior.model, prior.recall, options.beta)
    return None


def _stock_cost_model(options: TuneOptions, prior: Prior) -> Any:
    """What MetaSchedule's own strategies rank by."""
    if options.strategy != "evolutionary":
        return "random"
    if prior.model is None:
        return "xgb"
    from costmodels.metaschedule import cost_model

    return cost_model(prior.model, seed=options.seed)
