"""`tunedb tune`: measures new candidates of a workload on this machine."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import specs, targets
from cli.exit_codes import ExitCode
from cli.options import (
    BuildTimeout,
    Cores,
    CrossCompiler,
    ExampleInput,
    RpcKeys,
    RpcTracker,
    RunTimeout,
    Seed,
    Shapes,
    Wait,
)
from cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from cli.session import Session
    from search.measure.device import Device
    from tunedb.records import Target

SUMMARY = "Measure new schedules of a workload here"
EXAMPLES = (
    "tunedb tune examples/workloads.py:matmul --trials 64",
    "tunedb tune resnet18.onnx --trials 200",
    "tunedb tune resnet18.onnx --minutes 10 --until-gain 1%",
    "tunedb tune examples/workloads.py:matmul --trials 0",
    "tunedb tune resnet18.onnx --target raspberry-pi/4b-aarch64 --rpc-tracker 127.0.0.1:9190 --rpc-key rpi4",
    'tunedb tune 5f3a --target \'{"kind": "llvm", "mcpu": "znver5", "num-cores": 8}\' --seed 1',
)


class Strategy(StrEnum):
    """How candidates are chosen."""

    BO = "bo"
    EVOLUTIONARY = "evolutionary"
    RANDOM = "random"


class Caches(StrEnum):
    """What the caches hold when a candidate is called: `search.caches`."""

    HOT = "hot"
    FLUSHED = "flushed"
    COLD = "cold"
    NETWORK = "network"


@verb
def command(
    run: Session,
    context: typer.Context,
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            autocompletion=specs,
            help="An ONNX or .pt2 file, path.py:name, or a workload's hash in the store.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="TVM target: JSON, tag, or as logs write it.  [default: this CPU]",
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            metavar="N",
            min=0,
            help="Candidates to measure; 0 measures none and compiles what is predicted. The default holds without "
            "--minutes and --until-gain.",
        ),
    ] = 64,
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="bo starts from the store's cost model; the others are stock TVM's.")
    ] = Strategy.BO,
    seed: Seed = 0,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="In the end measure the fastest again, and compare the best's numbers with the untuned program's.",
        ),
    ] = True,
    caches: Annotated[
        Caches,
        typer.Option(
            "--caches",
            help="What a candidate finds there: hot all that fits, flushed its first argument, cold nothing, network "
            "what the other programs of the network leave.",
        ),
    ] = Caches.HOT,
    shape: Shapes = None,
    example_input: ExampleInput = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Of a network, only tasks with such names (*conv2d*); may be repeated."
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="NAME", help="Of a network, no tasks of such names; repeatable."),
    ] = None,
    pin: Annotated[
        list[str] | None,
        typer.Option(
            "--pin", metavar="NAME=N", help="Of a network, N of the trials for each task of such a name; repeatable."
        ),
    ] = None,
    until_gain: Annotated[
        str | None,
        typer.Option(
            "--until-gain",
            metavar="PERCENT",
            help="Of a network: end once the next batches are expected to save less of its time, such as 1%.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", metavar="N", min=0.001, help="End in order after so many minutes."),
    ] = None,
    run_timeout: RunTimeout = None,
    build_timeout: BuildTimeout = None,
    limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            metavar="SECS",
            min=0.001,
            help="End in order after so many seconds; what was measured is stored.  [default: none]",
        ),
    ] = None,
    rpc_tracker: RpcTracker = None,
    rpc_key: RpcKeys = None,
    wait: Wait = 60.0,
    cross_compiler: CrossCompiler = None,
    cores: Cores = None,
) -> None:
    """Measure new schedules of a workload, here or on a fleet, and store every trial as it is measured."""
    from search.measure import zygote

    _expect_whole_fleet(rpc_tracker, rpc_key, target)
    if cores is not None:
        from search.measure.cores import bind_to, parse_cores

        bind_to(parse_cores(cores))
    zygote.prepare()  # a store has threads, after which it would be too late
    least_gain, limit = _share(until_gain), _limit(limit, minutes)
    source = context.get_parameter_source("trials")
    if (minutes is not None or until_gain is not None) and source is not None and source.name == "DEFAULT":
        from search.options import WITHOUT_END

        trials = WITHOUT_END
    with run.open_store(create=True, writes=True) as store, run.time_limit(limit):
        from cli.labels import target_label
        from cli.standing import live_lines
        from cli.tuned import answer
        from search.caches import Caches as SearchCaches
        from search.networks.arrays import read_arrays
        from search.networks.importing.shapes import parse_shapes
        from search.networks.tasks import chosen_tasks, joined, load_tasks, pinned
        from search.targets import local_target, parse_target
        from search.tune import tune
        from tunedb.errors import MeasurementError

        chosen = local_target() if target is None else parse_target(target)
        example = None if example_input is None else read_arrays(example_input)
        shapes = parse_shapes(shape or [])
        every = {label: load_tasks(spec, store, chosen, its, example) for label, its in shapes.items()}
        tasks = chosen_tasks(every[""] if "" in every else joined(every), only or (), skip or ())
        tasks = pinned(tasks, pin or ())
        what = spec if len(tasks) == 1 else f"{spec} ({len(tasks)} tasks)"
        run.progress.note(f"tuning {what} for {target_label(chosen)}: {_told(trials, limit)}, strategy {strategy}")
        tell = partial(run.progress.trial, with_task=len(tasks) > 1)
        run.finishes_on_signal = True
        device: AbstractContextManager[Device | None] = nullcontext()
        if rpc_tracker is not None:
            device = _fleet(chosen, rpc_tracker, rpc_key or (), wait, run_timeout, build_timeout, cross_compiler)
        with device as its:
            report = tune(
                tasks,
                store=store,
                target=chosen,
                trials=trials,
                strategy=strategy.value,
                seed=seed,
                check=check,
                caches=SearchCaches(caches.value),
                run_timeout_secs=run_timeout if its is None else None,
                build_timeout_secs=build_timeout if its is None else None,
                least_gain=least_gain,
                limit_secs=limit,
                device=its,
                on_trial=tell,
                on_repeat=tell,
                on_standing=lambda standing: run.progress.table(live_lines(standing)),
                stop=run.stop,
            )
        if trials and not report.trials and not run.time_is_up and not report.interrupted:
            run.progress.note("nothing was measured: too little is left to gain")
        if run.time_is_up and trials and not report.trials:
            raise MeasurementError(f"no trial was measured within {limit:g} s: raise --time-limit")
        run.show(answer(report))
        if any(task.numbers is not None and task.numbers.agrees is False for task in report.tasks):
            run.exit_code = ExitCode.FAILED


def _expect_whole_fleet(tracker: str | None, keys: Sequence[str] | None, target: str | None) -> None:
    """What belongs to a fleet comes together.

    Raises:
        UsageError: some of it is missing.
    """
    from tunedb.errors import UsageError

    if tracker is None and keys:
        raise UsageError("--rpc-key is of servers at a tracker: give --rpc-tracker HOST:PORT, too")
    if tracker is not None and not keys:
        raise UsageError("a tracker gives servers by their key: give --rpc-key KEY, too")
    if tracker is not None and target is None:
        raise UsageError("the machines behind a tracker need not be like this one: give --target, too")


def _fleet(
    target: Target,
    tracker: str,
    keys: Sequence[str],
    wait: float,
    run_timeout: float | None,
    build_timeout: float | None,
    linker: str | None,
) -> Device:
    """The machines behind a tracker."""
    from search.measure.fleet.fleet import Fleet, FleetOptions
    from search.measure.fleet.tracker import parse_address

    options = FleetOptions(parse_address(tracker), tuple(keys), wait, None, build_timeout, linker=linker)
    return Fleet(target, options if run_timeout is None else replace(options, run_timeout_secs=run_timeout))


def _share(percent: str | None) -> float:
    """A share that is written as a percentage, "1%" or "1".

    Raises:
        UsageError: it is none, or not from 0 to 100.
    """
    from tunedb.errors import UsageError

    if percent is None:
        return 0.0
    try:
        share = float(percent.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(f"--until-gain is a percentage such as 1%, not {percent!r}")
    return share


def _limit(secs: float | None, minutes: float | None) -> float | None:
    """The time limit in seconds, however it was given.

    Raises:
        UsageError: it was given twice.
    """
    from tunedb.errors import UsageError

    if minutes is None:
        return secs
    if secs is not None:
        raise UsageError("give --minutes or --time-limit, not both")
    return 60 * minutes


def _told(trials: int, limit: float | None) -> str:
    """How long a run is to be, for people."""
    from search.options import WITHOUT_END
    from tunedb.units import count, elapsed

    within = "" if limit is None else f"{elapsed(limit)} at most"
    if trials == WITHOUT_END:
        return within or "until little is to be gained"
    return ", ".join(part for part in (count(trials, "trial"), within) if part)
