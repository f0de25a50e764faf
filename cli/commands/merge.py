"""`tunedb merge`: other stores into this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.records import AppendReport

SUMMARY = "Merge other stores into this one"
EXAMPLES = ("tunedb merge /mnt/lab/store", "tunedb merge a b --store all")


@verb
def command(
    run: Session,
    others: Annotated[list[str], typer.Argument(metavar="FROM...", help="Folders or URLs of stores; unchanged.")],
) -> None:
    """Add all of other stores to this one, sources included. Doing it again adds nothing."""
    import tunedb
    from tunedb.maintenance.merge import merge

    for url in others:  # before anything is made or written
        tunedb.open_store(url, create=False).close()
    with run.open_store(create=True) as into:
        merged: list[tuple[str, AppendReport]] = []
        for url in others:
            run.progress.step(len(merged), len(others), f"stores  {url}")
            with tunedb.open_store(url, create=False) as other:
                merged.append((url, merge(into, other)))
        run.show(answer(into.url, merged))


def answer(store_url: str, merged: Sequence[tuple[str, AppendReport]]) -> Answer:
    """One row a store that was merged."""
    from cli.output import Answer, Table
    from tunedb.documents import reports
    from tunedb.units import count

    added = sum(report.added for _, report in merged)
    rows = [[url, f"{report.added:,}", f"{report.duplicates:,}"] for url, report in merged]
    table = Table(["store", "added", "known"], rows, right=frozenset({"added", "known"}))
    return Answer(reports.merged(store_url, merged), [table, "", f"{count(added, 'trial')} added to {store_url}"])
