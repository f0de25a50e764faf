"""Collects measurements of many workloads for cost models to learn from: what a spec says and the store has not yet.

Workloads are operators in sizes that the spec lists, or what networks bring: their tasks, as `tune` would measure them.

Half of a workload's trials or so are random samples, which say what is bad; the rest are guided, which say what tells
the good from the best. All random samples come first, so that a collection that is stopped early is broad. What is in
the store counts: a collection goes on where it was stopped, killed or not.
"""

from __future__ import annotations

import json
import logging
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from search.corpus import operators
from search.measure.device import Device
from search.measure.here import this_device, this_hardware
from search.networks.importing import import_network
from search.networks.tasks import tasks_of
from search.options import TuneOptions
from search.recorder import TrialEvent
from search.task import Task
from search.tune import run_tuning
from tunedb.errors import BadInputError, MeasurementError, NotFoundError, last_line
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Hardware, Target
from tunedb.store.contract import Store

_LOG = logging.getLogger(__name__)
_STRATEGIES = ("random", "bo")


class Workloads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operator in several sizes."""

    operator: str
    sizes: list[list[int]]
    dtype: str = ""


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to collect."""

    workloads: list[Workloads] = []
    networks: list[str] = []  # files, named from the spec's folder
    trials: int = 160  # of each workload
    random_share: float = 0.5
    seed: int = 0
    guided_by_prior: bool = False  # whether guided trials start from the store's cost model, or the bundled one
    beta: float = 1.0  # of guided trials: the larger, the more of them go where the model knows the least


@dataclass(frozen=True, slots=True)
class Step:
    """Trials of one workload that are to be measured with one strategy."""

    task: Task
    workload_id: str
    strategy: str
    wanted: int
    done: int  # before this collection
    seed: int
    use_prior: bool = False
    beta: float = 1.0


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be measured."""

    steps: list[Step]  # what is left
    networks: dict[str, dict[str, float]]  # how often each network calls each workload, by its id


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What a collection did."""

    steps: int
    measured: int
    failed: int
    skipped: dict[str, str]  # workloads of which nothing could be measured, and why
    interrupted: bool


def read_spec(path: str | Path) -> Spec:
    """Reads a spec in TOML.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no spec, and what is wrong with it.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file")
    try:
        spec = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Spec)
    except (ValueError, msgspec.ValidationError) as error:
        raise BadInputError(f"{file}: {error}") from error
    if not 0 <= spec.random_share <= 1 or spec.trials < 1:
        raise BadInputError(f"{file}: trials must be positive and random_share between 0 and 1")
    if not spec.workloads and not spec.networks:
        raise BadInputError(f"{file}: it lists neither workloads nor networks")
    for row in spec.workloads:
        operators.family(row.operator)
    return msgspec.structs.replace(spec, networks=[str(file.parent / name) for name in spec.networks])


def plan(spec: Spec, store: Store, target: Target, hardware: Hardware | None = None) -> Planned:
    """What is left to be measured, random samples first, workloads in an order that the seed draws.

    Args:
        spec: What to measure.
        store: The store, whose trials count.
        target: The target that it is measured for.
        hardware: What it is measured on; None is this machine's device for the target.

    Raises:
        BadInputError: the spec names what there is not, or a network that cannot be imported.
        NotFoundError: a network's file is not there.
        MeasurementError: this machine has no device for the target.
    """
    measures = hardware or this_hardware(target)
    networks = {Path(path).stem: tasks_of(import_network(path), target) for path in spec.networks}
    every = [*_operators(spec), *(task for tasks in networks.values() for task in tasks)]
    return Planned(plan_tasks(every, spec, store, target, measures), _calls(networks))


def plan_tasks(every: Sequence[Task], spec: Spec, store: Store, target: Target, hardware: Hardware) -> list[Step]:
    """What is left to be measured of tasks, random samples first.

    Args:
        every: What is to be measured, wherever it comes from; of the same workload the first.
        spec: How much of each; its own workloads and networks are not looked at.
        store: The store, whose trials count.
        target: The target that they are measured for.
        hardware: What they are measured on.
    """
    tasks = {workload_from_module(task.mod)[0].workload_id: task for task in reversed(every)}
    done = _done(store, target, hardware)
    shares = {"random": round(spec.trials * spec.random_share)}
    shares["bo"] = spec.trials - shares["random"]
    steps: dict[str, list[Step]] = {strategy: [] for strategy in _STRATEGIES}
    for number, (workload_id, task) in enumerate(reversed(tasks.items()), start=1):
        for strategy in _STRATEGIES:
            has = done[workload_id, strategy]
            wanted = shares[strategy] - has
            if wanted > 0:
                seed = spec.seed * 1_000_003 + number * 1009 + has
                use_prior = spec.guided_by_prior and strategy == "bo"
                step = Step(task, workload_id, strategy, wanted, has, seed, use_prior, spec.beta)
                steps[strategy].append(step)
    rng = np.random.default_rng(spec.seed)
    drawn = {strategy: rng.permutation(len(its)).tolist() for strategy, its in steps.items()}
    return [steps[strategy][place] for strategy in _STRATEGIES for place in drawn[strategy]]


def _operators(spec: Spec) -> Iterator[Task]:
    """The spec's operators in all their sizes."""
    import tvm

    for row in spec.workloads:
        for sizes in row.sizes:
            module = tvm.IRModule({"main": operators.prim_func(row.operator, sizes, row.dtype)})
            yield Task(f"{row.operator} {'x'.join(map(str, sizes))} {row.dtype}".strip(), module)


def _calls(networks: Mapping[str, Sequence[Task]]) -> dict[str, dict[str, float]]:
    """How often each network calls each workload."""
    calls: dict[str, dict[str, float]] = {}
    for name, tasks in networks.items():
        of_network = calls.setdefault(name, {})
        for task in tasks:
            workload_id = workload_from_module(task.mod)[0].workload_id
            of_network[workload_id] = of_network.get(workload_id, 0.0) + task.weight
    return calls


def _done(store: Store, target: Target, hardware: Hardware) -> Counter[tuple[str, str]]:
    """How many trials of a workload some hardware has measured with a strategy."""
    strategies = {row.source_id: _strategy_of(row.detail) for row in store.sources()}
    return Counter(
        (trial.workload_id, strategies.get(trial.source_id, ""))
        for trial in store.trials(target_id=target.target_id)
        if trial.hardware_id == hardware.hardware_id
    )


def collect(
    steps: Sequence[Step],
    store: Store,
    target: Target,
    *,
    run_timeout_secs: float | None = None,
    build_timeout_secs: float | None = None,
    device: Device | None = None,
    on_trial: Callable[[Step, TrialEvent], None] | None = None,
    stop: threading.Event | None = None,
) -> CollectReport:
    """Measures what a plan says. A workload that cannot be measured is named, and the next one is begun.

    Args:
        steps: The steps of a `plan`.
        store: The store that is given every trial.
        target: The target to compile for.
        run_timeout_secs: The longest measurement of one candidate; None is the device's own limit.
        build_timeout_secs: The longest build of one; None likewise.
        device: What builds and runs; the caller closes it. None is this machine's.
        on_trial: Called with each trial once it is stored.
        stop: When set, the trial that is being measured is the last.

    Returns:
        What was measured, and what could not be.

    Raises:
        StoreError: The store cannot be written.
    """
    stop = stop or threading.Event()
    begun = measured = failed = 0
    skipped: dict[str, str] = {}
    beyond: set[tuple[str, str]] = set()  # what a strategy cannot sample, which another may
    given: AbstractContextManager[Device] = (
        this_device(target, run_timeout_secs=run_timeout_secs, build_timeout_secs=build_timeout_secs)
        if device is None
        else nullcontext(device)
    )
    with given as its:
        for step in steps:
            if stop.is_set():
                break
            if (step.task.name, step.strategy) in beyond:
                continue
            begun += 1
            try:
                report = run_tuning(
                    [replace(step.task, weight=1.0)],
                    TuneOptions(
                        step.wanted,
                        step.strategy,
                        seed=step.seed,
                        use_prior=step.use_prior,
                        check=False,
                        beta=step.beta,
                    ),
                    store=store,
                    target=target,
                    device=its,
                    on_trial=None if on_trial is None else _for_step(on_trial, step),
                    stop=stop,
                )
            except (MeasurementError, RuntimeError) as error:  # the latter are TVM's, of programs that it cannot sample
                skipped[step.task.name] = last_line(error)
                beyond.add((step.task.name, step.strategy))
                _LOG.warning("%s: %s", step.task.name, skipped[step.task.name])
                continue
            measured += report.trials
            failed += report.failed
    return CollectReport(begun, measured, failed, skipped, stop.is_set())


def _for_step(on_trial: Callable[[Step, TrialEvent], None], step: Step) -> Callable[[TrialEvent], None]:
    return lambda event: on_trial(step, event)


def _strategy_of(detail: str) -> str:
    known: Any = json.loads(detail)
    return str(known.get("strategy", "")) if isinstance(known, dict) else ""
