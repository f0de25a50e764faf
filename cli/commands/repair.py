"""`tunedb repair`: broken files aside, so that the rest can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.maintenance.repair import Repaired

SUMMARY = "Move what is broken in the store aside"
EXAMPLES = ("tunedb repair",)


@verb
def command(run: Session) -> None:
    """Move what is broken into the store's folder set-aside, never deleting it; the rest stays usable."""
    from tunedb.maintenance.repair import repair

    run.progress.step(0, None, "repairing")
    run.show(answer(run.store_url, repair(run.store_url)))


def answer(store_url: str, done: Sequence[Repaired]) -> Answer:
    """A line for each thing that was broken."""
    from cli.output import Answer
    from tunedb.documents import reports

    text = [f"{row.what}{f'; now {row.moved_to}' if row.moved_to else ''}" for row in done]
    return Answer(reports.repaired(store_url, done), text or [f"{store_url}: nothing is broken"])
