"""`tunedb train`: makes cost models of what the store remembers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.options import Dask, Seed
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from costmodels.training import Progress, TargetReport, TrainReport
    from tunedb.store.contract import Store

SUMMARY = "Make cost models of what the store remembers"
EXAMPLES = ("tunedb train", "tunedb train --target znver5 --workers 8")


@store_verb(writes=True)
def command(
    run: Session,
    store: Store,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Only this target: id prefix, arch, or as logs write it.",
        ),
    ] = None,
    pooled: Annotated[
        bool, typer.Option("--pooled/--own", help="Learn from other targets' trials too, or not.")
    ] = True,
    shipped: Annotated[
        bool, typer.Option("--shipped/--no-shipped", help="Learn from the trials that ship with tunedb too.")
    ] = True,
    compiling: Annotated[
        bool,
        typer.Option(
            "--compile/--no-compile",
            help="Compile trials of the target to learn from their machine code too, some a second on each core.",
        ),
    ] = False,
    optimize: Annotated[
        int | None,
        typer.Option(
            "--optimize",
            metavar="N",
            min=1,
            help="Choose hyper-parameters: try N configurations, the default one first, by Bayesian optimization.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Train even where nothing is new.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    dask: Dask = None,
    seed: Seed = 0,
) -> None:
    """Train a cost model for each target in the store that has enough trials to learn from."""
    with run.cluster(dask) as cluster:
        from costmodels.compute import Compute
        from costmodels.training import TrainOptions, train

        report = train(
            store,
            None if target is None else store.resolve_target(target).target_id,
            TrainOptions(
                pooled=pooled,
                bundled=shipped,
                compiling=compiling,
                optimize=optimize,
                again=again,
                seed=seed,
            ),
            compute=Compute(workers or len(os.sched_getaffinity(0)), cluster),
            on_progress=_Follower(run),
        )
        run.show(answer(report))
        if not report.trained:
            from tunedb.errors import NotFoundError

            raise NotFoundError("no target has enough trials to learn from; `tunedb ingest` or `tunedb tune` adds some")


class _Follower:
    """Shows a training's progress: a note for each step begun, and how far it is."""

    def __init__(self, run: Session) -> None:
        self._progress = run.progress
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, event: Progress) -> None:
        from cli.labels import target_label

        label = f"{target_label(event.target)}: {event.step}"
        if (event.target.target_id, event.step) not in self._seen:
            self._seen.add((event.target.target_id, event.step))
            self._progress.note(f"{label} ({event.total:,})" if event.total > 1 else label)
        if event.evaluation is not None:
            tried = event.evaluation
            mark = " *" if tried.is_best else ""
            at = f"{tried.number:>{len(str(event.total))}}/{event.total}"
            self._progress.note(f"{label} {at}  value {tried.value:.4f}  best {tried.best:.4f}{mark}")
        self._progress.step(event.done, event.total, label)


def answer(report: TrainReport) -> Answer:
    """One row a target: what it was trained on and how well it ranks workloads that it has not seen."""
    from cli.labels import target_label
    from cli.output import Answer, Table
    from costmodels.documents import train_document

    names = list(dict.fromkeys(name for row in report.trained for name in row.manifest.metrics))
    rows = [
        [
            target_label(row.target),
            f"{row.manifest.trained_on.num_trials:,}",
            str(row.manifest.trained_on.num_workloads),
            f"{row.manifest.trained_on.num_others:,}",
            f"{row.feature_secs + row.fit_secs:.1f} s",
            *(f"{row.manifest.metrics[name]:.3f}" if name in row.manifest.metrics else "-" for name in names),
            ("" if row.is_new else "nothing new: ") + (row.manifest.name if row.location else "not saved"),
        ]
        for row in report.trained
    ]
    headers = ["target", "trials", "workloads", "others'", "time", *names, "model"]
    text: list[str | Table] = []
    if rows:
        text.append(Table(headers, rows, right=frozenset({"trials", "workloads", "others'", "time", *names})))
        text.append(f"({', '.join(names)}: {report.trained[0].manifest.split})")
    text.extend(_optimized_line(row) for row in report.trained if row.manifest.optimized is not None)
    text.extend(
        f"{target_label(few.target)}: too few to learn from: {few.num_trials} trials, {few.num_workloads} workloads"
        for few in report.too_few
    )
    left_out = [(row.target, row.skipped) for row in report.trained] + [
        (few.target, few.skipped) for few in report.too_few
    ]
    text.extend(
        f"{target_label(target)}: {number:,} trials left out: {cause}"
        for target, skipped in left_out
        for cause, number in skipped.items()
    )
    return Answer(train_document(report), text)


def _optimized_line(row: TargetReport) -> str:
    """What choosing hyper-parameters gave."""
    from cli.labels import target_label

    found, values = row.manifest.optimized, row.manifest.hyper_parameters
    assert found is not None
    gain = f"{found.value:.4f}, default {found.default_value:.4f} ({found.objective})"
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
    chosen = ", ".join(f"{name}={value}" for name, value in rounded.items())
    return f"{target_label(row.target)}: best of {found.evaluations} configurations: {gain}: {chosen}"
