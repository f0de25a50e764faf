"""`tunedb compact`: many small files into few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.records import CompactedTable
    from tunedb.store.contract import Store

SUMMARY = "Merge the store's small files"
EXAMPLES = ("tunedb compact", "tunedb compact --grace-days 30")


@store_verb()
def command(
    run: Session,
    store: Store,
    grace_days: Annotated[
        float, typer.Option("--grace-days", metavar="N", min=0, help="Superseded versions stay readable so long.")
    ] = 7.0,
) -> None:
    """Merge small files, sort them by workload and target, and remove what no version needs after the grace period."""
    from datetime import timedelta

    run.progress.step(0, None, "tables merged")
    done = store.compact(
        timedelta(days=grace_days), lambda done, total: run.progress.step(done, total, "tables merged")
    )
    run.show(answer(done))


def answer(done: Sequence[CompactedTable]) -> Answer:
    """One row a table."""
    from cli.output import Answer, Table
    from tunedb.documents import reports

    rows = [[row.table, str(row.files_before), str(row.files_after), str(row.files_removed)] for row in done]
    headers = ["table", "files before", "after", "removed from disk"]
    return Answer(reports.compacted(done), [Table(headers, rows, right=frozenset(headers[1:]))])
