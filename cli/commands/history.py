"""`tunedb history`: best so far against trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets, workloads
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.query.convergence import Convergence
    from tunedb.store.contract import Store

SUMMARY = "Show how a workload's best fell, source by source"
EXAMPLES = ("tunedb history 5f3a", "tunedb history 5f3a --target znver5 --json")

_AFTER = (1, 8, 16, 32, 64, 128, 256, 512, 1024)


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    workload: Annotated[
        str,
        typer.Argument(metavar="HASH", autocompletion=workloads, help="Prefix of a workload's hash, ours or TVM's."),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Only this target: id prefix, arch, or as logs write it.",
        ),
    ] = None,
) -> None:
    """Show the best latency so far against the number of trials, for each log and tuning run."""
    from tunedb.query.convergence import convergence

    run.show(answer(convergence(store, workload, target)))


def answer(found: Convergence) -> Answer:
    """One row a source; the JSON form has every improvement."""
    from cli.labels import hardware_labels, measured_label, short, target_labels
    from cli.output import Answer, Table
    from tunedb.documents import answers
    from tunedb.units import duration

    longest = max((row.num_trials for row in found.histories), default=0)
    columns = [number for number in _AFTER if number <= longest]
    targets = target_labels(row.target for row in found.histories)
    machines = hardware_labels(row.hardware for row in found.histories)
    rows = [
        [
            row.source.uri,
            measured_label(targets[row.target.target_id], row.conditions),
            machines[row.hardware.hardware_id],
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
            *(duration(row.best_after(number) if number <= row.num_trials else None) for number in columns),
            duration(row.best_after(row.num_trials)),
        ]
        for row in found.histories
    ]
    after = [f"@{number}" for number in columns]
    headers = ["source", "target", "hardware", "trials", "failed", *after, "best"]
    table = Table(headers, rows, right=frozenset({"trials", "failed", "best", *after}))
    heading = f"workload {short(found.workload.workload_id)}  {found.workload.name}"
    return Answer(answers.convergence(found), [heading, "", table])
