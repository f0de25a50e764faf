"""One arm, start to end, in a child of its own: tuned into its own store, and compiled from it.

So each arm starts alike, and one that crashes costs itself only. The store is the arm's alone: what it holds, the arm
measured, and an arm that was cut short goes on with what is left (`search.resuming`). Stock's arms are compiled without
prediction, so that what they never measured is TVM's own, as with stock; those of "bo" with it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from search.bench.results import Arm, ArmTask, Network, Reached
from search.bench.strategies import Strategy
from tunedb.errors import NotFoundError, TunedbError, UsageError, last_line
from tunedb.records import Target

if TYPE_CHECKING:
    from tunedb.query.runs import TuningRun
    from tunedb.store.contract import Store

_BEAT_SECS = 1.0  # after which it is looked whether the parent is still there
_LAST_SECS = 60.0  # for what is being measured when it is not


class Wanted(msgspec.Struct, frozen=True):
    """An arm to be run."""

    network: Network
    strategy: Strategy
    seed: int
    trials: int
    target: Target
    folder: str  # of the bench
    place: str  # of the arm, within it


class Told(msgspec.Struct, frozen=True):
    """What is under way, or what came of the arm. Both are missing in a beat."""

    text: str = ""
    arm: Arm | None = None


def run_arm(requests: Iterator[Wanted]) -> Iterator[Told]:
    """Runs arms; a parent that has gone ends the one under way after the candidate that is being measured."""
    from search.measure import zygote

    zygote.prepare()  # before there are threads
    for request in requests:
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        stop = threading.Event()
        worker = threading.Thread(target=_worked, args=(request, told.put, stop), daemon=True)
        worker.start()
        try:
            while worker.is_alive() or not told.empty():
                try:
                    yield told.get(timeout=_BEAT_SECS)
                except queue.Empty:
                    yield Told()
        finally:
            stop.set()
            worker.join(_LAST_SECS)


def _worked(request: Wanted, tell: Callable[[Told], None], stop: threading.Event) -> None:
    strategy = request.strategy
    arm = Arm(network=request.network.name, strategy=strategy.name, seed=request.seed, predicts=strategy.predicts)
    try:
        arm = _tuned(request, arm, lambda text: tell(Told(text)), stop)
        if not stop.is_set():
            arm = _compiled(request, arm, lambda text: tell(Told(text)))
    except TunedbError as error:
        arm = msgspec.structs.replace(arm, error=str(error))
    except BaseException as error:  # a user's file may call sys.exit
        arm = msgspec.structs.replace(arm, error=f"{type(error).__name__}: {last_line(error)}")
    tell(Told(arm=arm))


def _tuned(request: Wanted, arm: Arm, tell: Callable[[str], None], stop: threading.Event) -> Arm:
    """Measures what is left of the arm's trials, and says what its store has then."""
    from search.networks.importing import import_network
    from search.networks.tasks import tasks_of
    from search.prior import prior_of
    from search.recorder import TrialEvent
    from search.tune import tune
    from tunedb.store.opening import open_store

    strategy, target = request.strategy, request.target
    with open_store(_store(request), create=True) as store:
        done = store.stats().num_trials
        if done < request.trials:
            tell("imports the network")
            model = prior_of(store, target).model if strategy.with_model else None
            if strategy.with_model and model is None:
                raise UsageError(f"{strategy.name}: there is no cost model for {target.kind}")

            def on_trial(event: TrialEvent) -> None:
                tell(f"trial {event.number}/{event.total}")

            tune(
                tasks_of(import_network(request.network.model, request.network.shapes), target),
                store=store,
                target=target,
                trials=request.trials,
                strategy=strategy.search,
                seed=request.seed,
                model=model,
                batch_size=strategy.batch_size,
                on_trial=on_trial,
                stop=stop,
            )
        return _measured(arm, request.network, _runs(store))


def _compiled(request: Wanted, arm: Arm, tell: Callable[[str], None]) -> Arm:
    from collections import Counter

    from search.measure.here import this_cpu
    from search.networks.compiling import CompileOptions, compile_network
    from search.networks.importing import import_network
    from tunedb.store.opening import open_store

    network = import_network(request.network.model, request.network.shapes)
    path = Path(request.folder) / request.place / f"{request.network.name}.so"
    options = CompileOptions(predicts=request.strategy.predicts, seed=request.seed)
    with open_store(_store(request), create=False) as store, this_cpu(request.target) as device:
        done = compile_network(
            network,
            path,
            store=store,
            target=request.target,
            device=device,
            options=options,
            on_step=lambda step, number, of, what: tell(f"{step} {number}/{of} {what}"),
        )
    return msgspec.structs.replace(
        arm,
        library=f"{request.place}/{path.name}",
        compile_secs=sum(done.secs.values()),
        programs=dict(Counter(one.origin.value for one in done.programs)),
    )


def _store(request: Wanted) -> str:
    return str(Path(request.folder) / request.place / "store")


def _runs(store: Store) -> list[TuningRun]:
    """The arm's sittings, the first one first; those that measured nothing are none."""
    from tunedb.query.runs import read_run, tuning_runs

    found = []
    for source in tuning_runs(store):
        try:
            found.append(read_run(store, source))
        except NotFoundError:
            continue
    return found


def _measured(arm: Arm, network: Network, runs: list[TuningRun]) -> Arm:
    """What sittings measured together: one goes on where the one before ended, in trials and in seconds."""
    import dataclasses

    from tunedb.query.best_so_far import of_network
    from tunedb.query.runs import RunTask, Step

    trials_before = [0, *accumulate(run.num_trials for run in runs)]
    secs_before = [0.0, *accumulate(run.elapsed_secs for run in runs)]
    steps: dict[str, list[Step]] = {}
    names: dict[str, str] = {}
    for place, run in enumerate(runs):
        for task in run.tasks:
            names[task.workload_id] = task.name
            steps.setdefault(task.workload_id, []).extend(
                dataclasses.replace(
                    step, number=step.number + trials_before[place], secs=step.secs + secs_before[place]
                )
                for step in task.steps
            )
    tasks = [RunTask(key, names[key], None, tuple(mine), 0, None) for key, mine in steps.items()]
    untuned = {task.workload_hash: task.untuned_secs for task in network.tasks if task.untuned_secs is not None}
    points = of_network(tasks, {task.workload_hash: task.weight for task in network.tasks}, untuned)
    return msgspec.structs.replace(
        arm,
        prior=str(runs[-1].detail.get("prior", "")) if runs else "",
        trials=trials_before[-1],
        failed=sum(sum(run.failures.values()) for run in runs),
        sittings=len(runs),
        tune_secs=secs_before[-1],
        tasks=tuple(_task(task) for task in tasks),
        best_so_far=tuple(Reached(point.trials, point.secs, point.best_secs) for point in points),
    )


def _task(task: Any) -> ArmTask:
    failed = sum(step.latency_secs is None for step in task.steps)
    return ArmTask(task.workload_id, len(task.steps), failed, task.best_secs)
