"""`tunedb train`: makes cost models of what the store remembers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, Dask, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from costmodels.training import Progress, TargetReport, TooFew, TrainReport

SUMMARY = "Make cost models of what the store remembers"
EXAMPLES = ("tunedb train", "tunedb train --target znver5 --workers 8")


def command(
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="Only this target: id prefix, arch or JSON.")
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
    again: Annotated[bool, typer.Option("--again", help="Train even where nothing is new.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    dask: Dask = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Seed of all randomness.")] = 0,
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a cost model for each target in the store that has enough trials to learn from."""
    with session(store, as_json, debug) as run, run.open_store() as opened, run.cluster(dask) as cluster:
        from costmodels.training import train

        report = train(
            opened,
            target_id=None if target is None else opened.resolve_target(target).target_id,
            pooled=pooled,
            shipped=shipped,
            compiling=compiling,
            again=again,
            seed=seed,
            workers=workers or len(os.sched_getaffinity(0)),
            cluster=cluster,
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
        self._progress.step(event.done, event.total, label)


def answer(report: TrainReport) -> Answer:
    """One row a target: what it was trained on and how well it ranks workloads that it has not seen."""
    from cli.labels import target_label
    from cli.output import Answer, Table

    document = {
        "models": [_model_document(row) for row in report.trained],
        "too_few": [_too_few_document(row) for row in report.too_few],
    }
    names = list(dict.fromkeys(name for row in report.trained for name in row.metrics))
    rows = [
        [
            target_label(row.target),
            f"{row.num_trials:,}",
            str(row.num_workloads),
            f"{row.num_others:,}",
            f"{row.feature_secs + row.fit_secs:.1f} s",
            *(f"{row.metrics[name]:.3f}" if name in row.metrics else "-" for name in names),
            ("" if row.is_new else "nothing new: ") + (row.directory.name if row.directory else "not saved"),
        ]
        for row in report.trained
    ]
    headers = ["target", "trials", "workloads", "others'", "time", *names, "model"]
    text: list[str | Table] = []
    if rows:
        text.append(Table(headers, rows, right=frozenset({"trials", "workloads", "others'", "time", *names})))
        text.append(f"({', '.join(names)}: {report.trained[0].split})")
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
    return Answer(document, text)


def _model_document(row: TargetReport) -> dict[str, Any]:
    return {
        "target_id": row.target.target_id,
        "target": row.target.text,
        "model": row.directory.name if row.directory else None,
        "directory": str(row.directory) if row.directory else None,
        "trials": row.num_trials,
        "workloads": row.num_workloads,
        "others": row.num_others,
        "is_new": row.is_new,
        "cached_features": row.num_cached,
        "skipped": row.skipped,
        "feature_secs": row.feature_secs,
        "fit_secs": row.fit_secs,
        "metrics": row.metrics,
        "split": row.split,
    }


def _too_few_document(row: TooFew) -> dict[str, Any]:
    return {
        "target_id": row.target.target_id,
        "target": row.target.text,
        "trials": row.num_trials,
        "workloads": row.num_workloads,
        "skipped": row.skipped,
    }
