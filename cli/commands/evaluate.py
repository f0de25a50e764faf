"""`tunedb evaluate`: how good cost models are on what they have not seen."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.exit_codes import ExitCode
from cli.options import Seed
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from costmodels.evaluation.evaluate import EvaluateOptions, StoreEvaluation
    from costmodels.evaluation.plan import Plan
    from costmodels.evaluation.splits import Figure
    from tunedb.store.contract import Store

SUMMARY = "Say how good cost models are on what they have not seen"
EXAMPLES = (
    "tunedb evaluate --target znver5",
    "tunedb evaluate --split leave-one-workload-out --gate baseline.json",
    "tunedb evaluate --whole --report page.html",
)


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Test on this target only: id prefix, arch, or as logs write it.  [default: all]",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="S",
            help="leave-one-workload-out, leave-operator-family-out, leave-target-out; 8-shot, 32-shot, 128-shot: "
            "leave-target-out, but for so many trials; leave-network-out. May be repeated.  "
            "[default: leave-operator-family-out]",
        ),
    ] = None,
    networks: Annotated[
        Path | None,
        typer.Option(
            "--networks",
            metavar="FILE",
            help="Which workloads are a network's, for leave-network-out: what 'tunedb collect --dry-run --json' says.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="M", help="These, by name. May be repeated.  [default: two-stage]"),
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option("--gate", metavar="FILE", help="Fail if the default model is worse than this baseline."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the file of --gate instead of comparing with it.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots.")
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled/--own", help="Learn from other targets' trials too, or not."),
    ] = True,
    shipped: Annotated[
        bool, typer.Option("--shipped/--no-shipped", help="Learn from the trials that ship with tunedb too.")
    ] = True,
    compiling: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the trials to be ranked, for models that read machine code, or rank by loops alone "
            "what was never compiled.  [default: no]",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            min=2,
            help="At most so many trials of a workload, from best to worst.  [default: 64]",
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="All models, the first three splits and all trials, compiled, but for what other options say. "
            "May take hours.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Fit models on some of the store's workloads and targets, and judge how they rank the candidates of others."""
    from costmodels.compute import Compute
    from costmodels.evaluation.evaluate import WHOLE, EvaluateOptions, evaluate_store

    usual = WHOLE if whole else EvaluateOptions()
    options = dataclasses.replace(
        usual,
        target=None if target is None else store.resolve_target(target),
        splits=usual.splits if split is None else tuple(split),
        networks=networks,
        models=usual.models if model is None else tuple(model),
        pooled=pooled,
        bundled=shipped,
        compiling=usual.compiling if compiling is None else compiling,
        limit=limit or usual.limit,
        seed=seed,
        gate=gate,
        update_baseline=update_baseline,
        report=report,
    )
    compute = Compute(workers or len(os.sched_getaffinity(0)))
    run.progress.note(said_before(options, whole=whole))
    done = evaluate_store(
        store,
        options,
        compute=compute,
        on_progress=lambda event: run.progress.step(event.done, event.total or None, f"{event.step}  {event.what}"),
        on_plan=lambda plan: run.progress.note(planned(plan, compute.workers)),
    )
    if report is not None:
        run.progress.note(f"{report} written")
    run.show(answer(done))
    if done.falls:
        run.exit_code = ExitCode.FAILED


def said_before(options: EvaluateOptions, *, whole: bool) -> str:
    """What will be evaluated, and what will not, before anything is read."""
    models = "all models" if options.models is None else ", ".join(options.models)
    most = "all trials" if options.limit is None else f"at most {options.limit} trials of a workload"
    how = "compiled" if options.compiling else "not compiled"
    line = f"evaluating {models} by {', '.join(options.splits)}: {most}, {how}"
    return line if whole else f"{line}; --whole takes all models, splits and trials, and compiles them"


def planned(plan: Plan, workers: int) -> str:
    """What lies before the fits, and about how long they take."""
    from tunedb.units import count, waiting

    beyond = f" (of {plan.num_trials + plan.num_beyond:,})" if plan.num_beyond else ""
    return (
        f"{count(plan.num_workloads, 'workload')} on {count(plan.num_targets, 'target')}, "
        f"{count(plan.num_trials, 'trial')}{beyond}: {count(plan.num_fits, 'fit')}, "
        f"roughly {waiting(plan.fit_secs)} on {count(workers, 'core')}"
    )


def answer(done: StoreEvaluation) -> Answer:
    """A table of means a split, and every figure in the JSON form."""
    from cli.labels import target_label
    from cli.output import Answer, Table
    from costmodels.documents import evaluation_document

    figures, fallen = done.figures, done.falls
    labels = {row.target_id: target_label(row) for row in done.targets}
    text: list[str | Table] = []
    metrics = list(dict.fromkeys(row.metric for row in figures))
    for split in dict.fromkeys(row.split for row in figures):
        for target_id in dict.fromkeys(row.target_id for row in figures if row.split == split):
            of_both = [row for row in figures if (row.split, row.target_id) == (split, target_id)]
            of_split = [row for row in of_both if row.workload_id is None]
            rows = []
            for name in dict.fromkeys(row.model for row in of_split):
                means = {row.metric: row for row in of_split if row.model == name}
                rows.append([name, *(_figure(means.get(metric)) for metric in metrics)])
            number = len({row.workload_id for row in of_both}) - 1
            text += [f"{split}, {labels[target_id]}, {number} workloads", Table(["model", *metrics], rows), ""]
    text.append("means over workloads, with their 90% bootstrap intervals")
    text += [f"worse than the baseline: {fall}" for fall in fallen]
    return Answer(evaluation_document(done), text)


def _figure(row: Figure | None) -> str:
    return "-" if row is None else f"{row.value:.3f} ({row.low:.2f}-{row.high:.2f})"
