"""`tunedb collect`: measures many workloads for cost models to learn from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.options import BuildTimeout, RunTimeout
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from search.corpus.collect import CollectReport, Planned, Step
    from search.recorder import TrialEvent
    from tunedb.records import Target
    from tunedb.store.contract import Store

SUMMARY = "Measure many workloads for cost models to learn from"
EXAMPLES = (
    "tunedb collect data/corpus.toml --core 1",
    'tunedb collect data/corpus.toml --target \'{"kind": "llvm", "mcpu": "x86-64-v3", "num-cores": 1}\' --dry-run',
)


@store_verb(create=True, writes=True)
def command(
    run: Session,
    store: Store,
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="What to measure, in TOML: see docs/collecting.md.")],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Target: JSON, tag, or as logs write it.  [default: this CPU, one core]",
        ),
    ] = None,
    core: Annotated[
        int | None, typer.Option("--core", metavar="N", min=0, help="Build and run on this core only.")
    ] = None,
    run_timeout: RunTimeout = None,
    build_timeout: BuildTimeout = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is left to be measured, and stop.")] = False,
) -> None:
    """Measure what SPEC lists and the store has not yet from this machine, or from its GPU. It can be stopped and goes
    on where it was; other work belongs on other cores.
    """
    from search.corpus.collect import collect, plan, read_spec
    from search.measure.here import this_hardware
    from search.targets import local_target, parse_target
    from tunedb.errors import MeasurementError, UsageError
    from tunedb.machine.hardware import UNKNOWN
    from tunedb.units import count

    wanted = read_spec(spec)
    if core is not None:
        try:
            os.sched_setaffinity(0, {core})
        except OSError as error:
            raise UsageError(f"this process may not run on core {core}: {error.strerror}") from error
    chosen = local_target(1) if target is None else parse_target(target)
    try:
        hardware = this_hardware(chosen)
    except MeasurementError as error:
        if not dry_run:
            raise
        hardware = UNKNOWN
        run.progress.note(f"{error}; so nothing counts as measured")
    planned = plan(wanted, store, chosen, hardware)
    steps = planned.steps
    left = sum(step.wanted for step in steps)
    run.progress.note(f"{count(left, 'trial')} left in {count(len(steps), 'step')}")
    if dry_run:
        run.show(plan_answer(planned, chosen))
        return
    run.finishes_on_signal = True
    done = 0

    def tell(step: Step, event: TrialEvent) -> None:
        nonlocal done
        done += 1
        run.progress.step(done, left, f"trials  {step.strategy} {event.task_name}")

    measured = collect(
        steps,
        store,
        chosen,
        run_timeout_secs=run_timeout,
        build_timeout_secs=build_timeout,
        on_trial=tell,
        stop=run.stop,
    )
    run.show(answer(measured, chosen))


def plan_answer(planned: Planned, target: Target) -> Answer:
    """What is left."""
    from cli.output import Answer, Table
    from search import documents

    rows = [
        [step.workload_id[:12], step.task.name, step.strategy, str(step.wanted), str(step.done)]
        for step in planned.steps
    ]
    headers = ["workload", "name", "strategy", "wanted", "done"]
    table = Table(headers, rows, right=frozenset({"wanted", "done"}))
    return Answer(documents.planned(planned, target), [table])


def answer(report: CollectReport, target: Target) -> Answer:
    """What was measured."""
    from cli.output import Answer
    from search import documents
    from tunedb.units import count

    lines = [f"{count(report.measured, 'trial')} measured in {count(report.steps, 'step')}, {report.failed:,} failed"]
    lines += [f"skipped {name}: {why}" for name, why in report.skipped.items()]
    return Answer(documents.collected(report, target), [*lines])
