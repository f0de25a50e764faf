"""`tunedb features`: computes the features that cost models learn from, once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets
from cli.options import Dask
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from costmodels.feature_report import FeatureReport
    from tunedb.records import Target
    from tunedb.store.contract import Store

SUMMARY = "Compute the features that cost models learn from"
EXAMPLES = ("tunedb features", "tunedb features --target znver5 --family per_store --workers 4")


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
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="F",
            help="loop_nest, per_store, machine_code, trace or workload; may be repeated.  [default: those that models "
            "of the target's kind learn from]",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes at once.  [default: all cores]")
    ] = None,
    dask: Dask = None,
) -> None:
    """Replay trials in child processes and keep their features among the store's files. It can be stopped and goes on
    where it was; `tunedb train` and `evaluate` compute what is missing by themselves.
    """
    with run.cluster(dask) as cluster:
        from cli.labels import target_label
        from costmodels.compute import Compute
        from costmodels.feature_report import compute_features

        def show(row: Target, name: str, done: int, total: int) -> None:
            run.progress.step(done, total, f"{target_label(row)}: {name}")

        targets = store.targets() if target is None else [store.resolve_target(target)]
        compute = Compute(workers or len(os.sched_getaffinity(0)), cluster)
        run.show(answer([*compute_features(store, targets, family or (), compute=compute, on_progress=show)]))


def answer(done: Sequence[FeatureReport]) -> Answer:
    """One row a target and family."""
    from cli.labels import target_label
    from cli.output import Answer, Table
    from costmodels.documents import features_document

    rows = [
        [
            target_label(row.target),
            row.version,
            f"{row.num_trials:,}",
            f"{row.num_cached:,}",
            f"{row.num_computed:,}",
            f"{sum(row.causes.values()):,}",
            "-" if row.per_second is None else f"{row.per_second:,.0f}",
        ]
        for row in done
    ]
    headers = ["target", "features", "trials", "cached", "computed", "none", "trials/s a core"]
    notes = [
        f"{target_label(row.target)}: {number:,} trials have no {row.family} features: {cause}"
        for row in done
        for cause, number in row.causes.items()
    ]
    return Answer(features_document(done), [Table(headers, rows, right=frozenset(headers[2:])), *notes])
