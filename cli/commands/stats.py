"""`tunedb stats`: how much the store holds, and what it could not read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.records import Rejected, StoreStats
    from tunedb.store.contract import Store

SUMMARY = "Count what the store holds"
EXAMPLES = ("tunedb stats", "tunedb stats --rejected 100")


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    rejected: Annotated[
        int, typer.Option("--rejected", metavar="N", min=0, help="List up to N pieces of input that were rejected.")
    ] = 0,
) -> None:
    """Count what the store holds: workloads, targets, trials by outcome, sources and rejected input."""
    run.show(answer(store.stats(), list(islice(store.rejected(), rejected))))


def answer(stats: StoreStats, rejected: Sequence[Rejected]) -> Answer:
    """The counts, and the rejected pieces that were asked for."""
    from cli.output import Answer, Table
    from tunedb.documents import answers
    from tunedb.units import size

    by_outcome = ", ".join(f"{number:,} {outcome}" for outcome, number in stats.outcomes.items())
    rows = [
        ["store", stats.url],
        ["workloads", f"{stats.num_workloads:,} ({stats.num_modules:,} modules)"],
        ["targets", f"{stats.num_targets:,}"],
        ["machines", f"{stats.num_hardware:,}"],
        ["trials", f"{stats.num_trials:,}" + (f" ({by_outcome})" if by_outcome else "")],
        ["verdicts", f"{stats.num_verdicts:,}"],
        ["sources", f"{stats.num_sources:,}"],
        ["rejected", f"{stats.num_rejected:,}"],
        ["on disk", size(stats.bytes_stored)],
        ["version", f"{stats.version} (schema {stats.schema_version})"],
    ]
    document = answers.stats(stats, rejected)
    counts = [f"{name:<9}  {value}" for name, value in rows]
    if not rejected:
        return Answer(document, counts)
    listed = Table(
        ["file", "line", "reason"],
        [[piece.uri, str(piece.line or "-"), piece.reason] for piece in rejected],
        right=frozenset({"line"}),
    )
    return Answer(document, [*counts, "", listed])
