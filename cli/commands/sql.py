"""`tunedb sql`: read-only SQL over the store's views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.sql import SqlResult

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
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Answer one read-only SQL query: no files, no writes, no settings, and a time limit."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from tunedb.sql import run_sql

        run.show(answer(run_sql(opened, query, limit_secs=limit)))


def answer(result: SqlResult) -> Answer:
    """The rows as they came."""
    from cli.output import Answer, Table

    rows = [[_text(value) for value in row] for row in result.rows]
    document = {"columns": list(result.columns), "rows": [[_plain(value) for value in row] for row in result.rows]}
    return Answer(document, [Table(list(result.columns), rows)])


def _plain(value: Any) -> Any:
    """A value as JSON has it: bytes as text, times as ISO 8601, what is not finite as null."""
    import math
    from datetime import date

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
