"""`tunedb tune`: measures new candidates of a workload on this machine."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import ExitCode
from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from search.tune import TaskReport, TuneReport
    from tunedb.records import Target

SUMMARY = "Measure new schedules of a workload here"
EXAMPLES = (
    "tunedb tune examples/workloads.py:matmul --trials 64",
    "tunedb tune resnet18.onnx --trials 2000",
    "tunedb tune examples/workloads.py:matmul --trials 0",
    'tunedb tune 5f3a --target \'{"kind": "llvm", "mcpu": "znver5", "num-cores": 8}\' --seed 1',
)

_NOTICED_DRIFT = 1.15


class Strategy(StrEnum):
    """How candidates are chosen."""

    BO = "bo"
    EVOLUTIONARY = "evolutionary"
    RANDOM = "random"


def command(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="An ONNX file, path.py:name, or a workload's hash in the store.")
    ],
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="TVM target, JSON or tag.  [default: this CPU]")
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            metavar="N",
            min=0,
            help="Candidates to measure; 0 measures none and compiles what is predicted.",
        ),
    ] = 64,
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="bo starts from the store's cost model; the others are stock TVM's.")
    ] = Strategy.BO,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Seed of all randomness.")] = 0,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="In the end measure the fastest again, and compare the best's numbers with the untuned program's.",
        ),
    ] = True,
    flush_cache: Annotated[
        bool, typer.Option("--flush-cache", help="Measure with cold caches: each run is then one call of the kernel.")
    ] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure new schedules of a workload on this machine and store every trial as it is measured."""
    with session(store, as_json, debug) as run:
        from search.measure import zygote

        zygote.prepare()  # a store has threads, after which it would be too late
        with run.open_store(create=True) as opened:
            from cli.labels import target_label
            from cli.units import count
            from search.networks.targets import local_target, parse_target
            from search.networks.tasks import load_tasks
            from search.tune import tune

            chosen = local_target() if target is None else parse_target(target)
            tasks = load_tasks(spec, opened, chosen)
            what = spec if len(tasks) == 1 else f"{spec} ({len(tasks)} tasks)"
            run.progress.note(
                f"tuning {what} for {target_label(chosen)}: {count(trials, 'trial')}, strategy {strategy}"
            )
            run.finishes_on_signal = True
            report = tune(
                tasks,
                store=opened,
                target=chosen,
                trials=trials,
                strategy=strategy.value,
                seed=seed,
                check=check,
                flush_cache=flush_cache,
                on_trial=partial(run.progress.trial, with_task=len(tasks) > 1),
                stop=run.stop,
            )
            run.show(answer(report))
            if any(task.numbers is not None and task.numbers.agrees is False for task in report.tasks):
                run.exit_code = ExitCode.FAILED


def answer(report: TuneReport) -> Answer:
    """What the run found, the heaviest task's keys at the top of the JSON form."""
    from cli.labels import target_label
    from cli.output import Answer
    from cli.units import count, elapsed

    tasks = [_task_document(task, report.target) for task in report.tasks]
    empty = dict.fromkeys(("name", "workload_hash", "run_secs_median", "record_id", "trace"))
    document = {
        **empty,
        **(tasks[0] if tasks else {}),
        "target": report.target.text,
        "target_id": report.target.target_id,
        "trials": report.trials,
        "failed": report.failed,
        "elapsed_secs": report.elapsed_secs,
        "strategy_secs": report.strategy_secs,
        "strategy": report.strategy,
        "seed": report.seed,
        "prior": report.prior,
        "drift": report.drift,
        "interrupted": report.interrupted,
        "tasks": tasks,
    }
    text: list[str | Table] = [
        f"{count(report.trials, 'trial')} in {elapsed(report.elapsed_secs)}, {report.failed} failed; "
        f"strategy {report.strategy}, seed {report.seed}, cost model: {report.prior}",
        f"target   {target_label(report.target)}",
        *(
            f"{task.name}: the cost model misled: {task.trust}"
            for task in report.tasks
            if task.trust is not None and task.trust.is_misleading
        ),
        *_drift_lines(report),
        *(line for task in report.tasks if (line := _numbers_line(task))),
        "",
        *_text(report),
    ]
    return Answer(document, text)


def _drift_lines(report: TuneReport) -> list[str]:
    """A warning when something else slowed the machine down."""
    if report.drift < _NOTICED_DRIFT:
        return []
    return [
        f"the machine was {report.drift:.2f} times slower in one batch than in another: is there other work on it? "
        "(the search takes it into account; latencies are stored as measured)"
    ]


def _numbers_line(task: TaskReport) -> str:
    """Whether the best computes the right thing; nothing to say when it was not checked."""
    found = task.numbers
    if found is None:
        return ""
    if found.agrees is None:
        return f"{task.name}: its numbers were not checked: {found.problem}"
    if found.agrees:
        return f"{task.name}: computes what the untuned program does (deviation {found.deviation:.0e})"
    return f"{task.name}: WRONG NUMBERS: deviates from the untuned program by {found.deviation:.0e}; do not use it"


def _task_document(task: TaskReport, target: Target) -> dict[str, Any]:
    from cli.commands.best import record_document

    found: dict[str, Any] = {"run_secs_median": None, "record_id": None, "trace": None}
    if task.best is not None:
        found = record_document(task.best, target)
    elif task.predicted is not None:
        found["trace"] = json.loads(task.predicted.to_json())
    return {
        "name": task.name,
        **found,
        "workload_hash": task.workload_hash,
        "trials": task.trials,
        "failed": task.failed,
        "passes": task.passes,
        "prior_rank_correlation": _number(task.trust.rank_correlation) if task.trust else None,
        "prior_weight": task.trust.weight if task.trust else None,
        "numbers_agree": task.numbers.agrees if task.numbers else None,
        "numbers_deviation": task.numbers.deviation if task.numbers else None,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value  # NaN has no JSON


def _text(report: TuneReport) -> list[str | Table]:
    from cli.labels import short
    from cli.output import Table
    from cli.trace_text import trace_lines
    from cli.units import duration

    rows = [
        [
            short(task.workload_hash),
            task.name,
            str(task.trials),
            str(task.failed),
            duration(task.best.run_secs_median if task.best else None),
            short(task.best.trial_id) if task.best else "-",
        ]
        for task in report.tasks
    ]
    headers = ["workload", "name", "trials", "failed", "best", "record"]
    table = Table(headers, rows, right=frozenset({"trials", "failed", "best"}))
    if len(report.tasks) != 1:
        return [table]
    task = report.tasks[0]
    if task.best is not None:
        return [table, "", "trace:", *(f"  {line}" for line in trace_lines(task.best.trace))]
    if task.predicted is not None:
        heading = "trace, predicted to be the best, compiled and not measured:"
        return [table, "", heading, *(f"  {line}" for line in trace_lines(task.predicted))]
    return [table]
