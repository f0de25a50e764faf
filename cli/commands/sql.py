"""`tunedb sql`: read-only SQL over the store's views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.records import SqlResult
    from tunedb.store.contract import Store

SUMMARY = "Ask the store in SQL"
EXAMPLES = (
    'tunedb sql "SELECT outcome, count(*) FROM trials GROUP BY outcome"',
    'tunedb sql "DESCRIBE trials"',
)


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    query: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT, over the views in docs/sql.md.")],
    limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECS", min=0.001, help="Longest time that it may take.")
    ] = 30.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
) -> None:
    """Answer one read-only SQL query: no files, no writes, no settings, and a time limit."""
    from tunedb.errors import UsageError

    if as_csv and run.as_json:
        raise UsageError("--csv or --json, not both")
    run.show(answer(store.sql(query, limit_secs=limit), as_csv=as_csv))


def answer(result: SqlResult, *, as_csv: bool = False) -> Answer:
    """The rows as they came; the text form is a table, or CSV."""
    from cli.output import Answer, Table
    from tunedb.documents import answers

    document = answers.sql_result(result)
    if as_csv:
        return Answer(document, [_csv(result.columns, document["rows"])])
    rows = [["-" if value is None else str(value) for value in row] for row in document["rows"]]
    return Answer(document, [Table(list(result.columns), rows)])


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """RFC 4180, but for line ends; NULL is an empty field, lists and structs are JSON."""
    import csv
    import io
    import json

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([json.dumps(value) if isinstance(value, list | dict) else value for value in row] for row in rows)
    return written.getvalue().removesuffix("\n")
