"""`tunedb compare`: the same workload on several targets and machines, next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.query.comparison import Compared

SUMMARY = "Set a workload's targets and machines side by side"
EXAMPLES = ("tunedb compare", "tunedb compare 5f3a")


def command(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HASH]...", help="Workloads.  [default: all that have several targets or machines]"),
    ] = None,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Set the best records of the same workload on different targets and machines side by side, never mixed."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from tunedb.query.comparison import compare

        wanted = [opened.resolve_workload(prefix).workload_id for prefix in workloads or ()]
        run.show(answer(compare(opened, wanted or None)))


def answer(found: Sequence[Compared]) -> Answer:
    """One row a workload, target and machine; `ratio` is to the workload's fastest."""
    from cli.labels import hardware_label, short, target_label
    from cli.output import Answer, Table
    from cli.units import count, duration

    documents = [
        {
            "workload_hash": row.workload_id,
            "name": row.name,
            "target": row.target.text,
            "target_id": row.target.target_id,
            "hardware": row.hardware.name,
            "trials": row.num_trials,
            "run_secs_median": row.best_secs,
            "ratio": row.ratio,
        }
        for row in found
    ]
    rows = [
        [
            short(row.workload_id),
            row.name,
            target_label(row.target),
            hardware_label(row.hardware),
            f"{row.num_trials:,}",
            duration(row.best_secs),
            "-" if row.ratio is None else f"{row.ratio:.2f}",
        ]
        for row in found
    ]
    headers = ["hash", "name", "target", "hardware", "trials", "best", "ratio"]
    table = Table(headers, rows, right=frozenset({"trials", "best", "ratio"}))
    number = len({row.workload_id for row in found})
    return Answer({"results": documents}, [table, "", count(number, "workload")])
