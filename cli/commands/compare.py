"""`tunedb compare`: the same workload on several targets and machines, next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import workloads
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from tunedb.query.comparison import Compared
    from tunedb.store.contract import Store

SUMMARY = "Set a workload's targets and machines side by side"
EXAMPLES = ("tunedb compare", "tunedb compare 5f3a")


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    workloads: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HASH]...",
            autocompletion=workloads,
            help="Workloads.  [default: all that have several targets or machines]",
        ),
    ] = None,
) -> None:
    """Set the best records of the same workload on different targets and machines side by side, never mixed."""
    from tunedb.query.comparison import compare

    wanted = [store.resolve_workload(prefix).workload_id for prefix in workloads or ()]
    run.show(answer(compare(store, wanted or None)))


def answer(found: Sequence[Compared]) -> Answer:
    """One row a workload, target and machine, and how many workloads they are."""
    from cli.output import Answer
    from tunedb.documents import answers
    from tunedb.units import count

    number = len({row.workload_id for row in found})
    return Answer(answers.comparison(found), [table(found), "", count(number, "workload")])


def table(found: Sequence[Compared]) -> Table:
    """One row a workload, target and machine; the ratio is to the workload's fastest."""
    from cli.labels import hardware_labels, measured_label, short, target_labels
    from cli.output import Table
    from tunedb.units import duration

    targets, machines = target_labels(row.target for row in found), hardware_labels(row.hardware for row in found)
    rows = [
        [
            short(row.workload_id),
            row.name,
            measured_label(targets[row.target.target_id], row.conditions),
            machines[row.hardware.hardware_id],
            f"{row.num_trials:,}",
            duration(row.estimate_secs),
            "-" if row.ratio is None else f"{row.ratio:.2f}",
        ]
        for row in found
    ]
    headers = ["hash", "name", "target", "hardware", "trials", "best", "ratio"]
    return Table(headers, rows, right=frozenset({"trials", "best", "ratio"}))
