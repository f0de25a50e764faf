"""`tunedb repair`: broken files aside, so that the rest can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.maintenance.repair import Repaired

SUMMARY = "Move what is broken in the store aside"
EXAMPLES = ("tunedb repair",)


def command(store: StoreUrl = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Move what is broken into the store's folder set-aside, never deleting it; the rest stays usable."""
    with session(store, as_json, debug) as run:
        from tunedb.maintenance.repair import repair

        run.show(answer(run.store_url, repair(run.store_url)))


def answer(store_url: str, done: Sequence[Repaired]) -> Answer:
    """A line for each thing that was broken."""
    from cli.output import Answer

    text = [f"{row.what}{f'; now {row.moved_to}' if row.moved_to else ''}" for row in done]
    document = {"store": store_url, "repaired": [{"what": row.what, "moved_to": row.moved_to or None} for row in done]}
    return Answer(document, text or [f"{store_url}: nothing is broken"])
