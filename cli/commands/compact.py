"""`tunedb compact`: many small files into few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import CompactedTable

SUMMARY = "Merge the store's small files"
EXAMPLES = ("tunedb compact", "tunedb compact --grace-days 30")


def command(
    grace_days: Annotated[
        float, typer.Option("--grace-days", metavar="N", min=0, help="Superseded versions stay readable so long.")
    ] = 7.0,
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Merge small files, sort them by workload and target, and remove what no version needs after the grace period."""
    with session(store, as_json, debug) as run, run.open_store() as opened:
        from datetime import timedelta

        run.show(answer(opened.compact(timedelta(days=grace_days))))


def answer(done: Sequence[CompactedTable]) -> Answer:
    """One row a table."""
    from cli.output import Answer, Table

    documents = [
        {
            "table": row.table,
            "files_before": row.files_before,
            "files_after": row.files_after,
            "files_removed": row.files_removed,
        }
        for row in done
    ]
    rows = [[row.table, str(row.files_before), str(row.files_after), str(row.files_removed)] for row in done]
    headers = ["table", "files before", "after", "removed from disk"]
    return Answer({"tables": documents}, [Table(headers, rows, right=frozenset(headers[1:]))])
