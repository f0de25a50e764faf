"""`tunedb verify`: is every table readable, does every reference lead somewhere, do the contents have their hashes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.store.contract import Store

SUMMARY = "Check the store: files, references, contents"
EXAMPLES = ("tunedb verify",)


@store_verb()
def command(run: Session, store: Store) -> None:
    """Read the whole store and name what is broken; exit status 1 if anything is."""
    from tunedb.maintenance.verify import verify

    run.progress.note("reading the whole store ...")
    found = verify(store)
    run.show(answer(store.url, found))
    if found:
        run.exit_code = ExitCode.FAILED


def answer(store_url: str, problems: Sequence[str]) -> Answer:
    """A line for each thing that is broken."""
    from cli.output import Answer
    from tunedb.documents import reports

    advice = ["`tunedb repair` moves broken files aside; the rest stays usable"] if problems else []
    text = [f"broken: {problem}" for problem in problems] or [f"{store_url} is sound"]
    return Answer(reports.verified(store_url, problems), [*text, *advice])
