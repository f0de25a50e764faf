"""`tunedb sql`: read-only SQL over the store's views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import SqlResult

SUMMARY = "Ask the store in SQL"
EXAMPLES = (
    'tunedb sql "SELECT outcome, count(*) FROM trials GROUP BY outcome"',
    'tunedb sql "DESCRIBE trials"',
)


def command(
    query: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT, over the views in docs/sql.md.")],
    limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECS", min=0.001, help="Longest time that it may take.")
    ] = 30.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Answer one read-only SQL query: no files, no writes, no settings, and a time limit."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from tunedb.errors import UsageError

        if as_csv and as_json:
            raise UsageError("--csv or --json, not both")
        run.show(answer(opened.sql(query, limit_secs=limit), as_csv=as_csv))


def answer(result: SqlResult, *, as_csv: bool = False) -> Answer:
    """The rows as they came; the text form is a table, or CSV."""
    from cli.output import Answer, Table

    rows = [[_text(value) for value in row] for row in result.rows]
    document: dict[str, Any] = {
        "columns": list(result.columns),
        "rows": [[_plain(value) for value in row] for row in result.rows],
    }
    if as_csv:
        return Answer(document, [_csv(result.columns, document["rows"])])
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


def _plain(value: Any) -> Any:
    """A value as JSON has it: bytes as text, times as ISO 8601, what is not finite as null."""
    import math
    from datetime import date
    from decimal import Decimal

    if isinstance(value, Decimal):  # sums of integers come as such
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def _text(value: Any) -> str:
    plain = _plain(value)
    return "-" if plain is None else str(plain)
