"""`tunedb stats`: how much the store holds, and what it could not read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import Rejected, StoreStats

SUMMARY = "Count what the store holds"
EXAMPLES = ("tunedb stats", "tunedb stats --rejected 100")


def command(
    rejected: Annotated[
        int, typer.Option("--rejected", metavar="N", min=0, help="List up to N pieces of input that were rejected.")
    ] = 0,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Count what the store holds: workloads, targets, trials by outcome, sources and rejected input."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(answer(opened.stats(), list(islice(opened.rejected(), rejected))))


def answer(stats: StoreStats, rejected: Sequence[Rejected]) -> Answer:
    """The counts, and the rejected pieces that were asked for."""
    from cli.output import Answer, Table
    from cli.units import size

    document = {
        "store": stats.url,
        "version": stats.version,
        "schema_version": stats.schema_version,
        "workloads": stats.num_workloads,
        "modules": stats.num_modules,
        "targets": stats.num_targets,
        "hardware": stats.num_hardware,
        "sources": stats.num_sources,
        "trials": stats.num_trials,
        "failed": stats.num_failed,
        "outcomes": {str(outcome): number for outcome, number in stats.outcomes.items()},
        "rejected": stats.num_rejected,
        "bytes_stored": stats.bytes_stored,
        "rejections": [{"uri": piece.uri, "line": piece.line, "reason": piece.reason} for piece in rejected],
    }
    by_outcome = ", ".join(f"{number:,} {outcome}" for outcome, number in stats.outcomes.items())
    rows = [
        ["store", stats.url],
        ["workloads", f"{stats.num_workloads:,} ({stats.num_modules:,} modules)"],
        ["targets", f"{stats.num_targets:,}"],
        ["machines", f"{stats.num_hardware:,}"],
        ["trials", f"{stats.num_trials:,}" + (f" ({by_outcome})" if by_outcome else "")],
        ["sources", f"{stats.num_sources:,}"],
        ["rejected", f"{stats.num_rejected:,}"],
        ["on disk", size(stats.bytes_stored)],
        ["version", f"{stats.version} (schema {stats.schema_version})"],
    ]
    counts = [f"{name:<9}  {value}" for name, value in rows]
    if not rejected:
        return Answer(document, counts)
    listed = Table(
        ["file", "line", "reason"],
        [[piece.uri, str(piece.line or "-"), piece.reason] for piece in rejected],
        right=frozenset({"line"}),
    )
    return Answer(document, [*counts, "", listed])
