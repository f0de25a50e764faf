"""`tunedb merge`: other stores into this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import AppendReport

SUMMARY = "Merge other stores into this one"
EXAMPLES = ("tunedb merge /mnt/lab/store", "tunedb merge a b --store all")


def command(
    others: Annotated[list[str], typer.Argument(metavar="FROM...", help="Folders or URLs of stores; unchanged.")],
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Add all of other stores to this one, sources included. Doing it again adds nothing."""
    with session(store, as_json, debug) as run:
        import tunedb
        from tunedb.maintenance.merge import merge

        for url in others:  # before anything is made or written
            tunedb.open_store(url, create=False).close()
        with run.open_store(create=True) as into:
            reports = []
            for url in others:
                with tunedb.open_store(url, create=False) as other:
                    reports.append(merge(into, other))
            run.show(answer(into.url, others, reports))


def answer(store_url: str, others: Sequence[str], reports: Sequence[AppendReport]) -> Answer:
    """One row a store that was merged."""
    from cli.output import Answer, Table
    from cli.units import count

    added = sum(report.added for report in reports)
    document = {
        "store": store_url,
        "added": added,
        "duplicates": sum(report.duplicates for report in reports),
        "merged": [
            {"store": url, "added": report.added, "duplicates": report.duplicates}
            for url, report in zip(others, reports, strict=True)
        ],
    }
    rows = [[url, f"{report.added:,}", f"{report.duplicates:,}"] for url, report in zip(others, reports, strict=True)]
    table = Table(["store", "added", "known"], rows, right=frozenset({"added", "known"}))
    return Answer(document, [table, "", f"{count(added, 'trial')} added to {store_url}"])
