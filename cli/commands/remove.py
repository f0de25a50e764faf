"""`tunedb remove`: a source, and all that only it brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import sources
from cli.revisions import DRY_RUN, actor
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Take a source back: its trials and what was quarantined of it"
EXAMPLES = ("tunedb remove --source logs/board/ --dry-run", "tunedb remove --source logs/board/")


@verb
def command(
    run: Session,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="URI", autocompletion=sources, help="A source's URI or id, or the beginning of one."
        ),
    ] = None,
    dry_run: DRY_RUN = False,
) -> None:
    """Remove the trials of a source. Trials that another source brought too stay, as that one's.

    `tunedb restore` undoes it; the answer says how.
    """
    from cli.revisions import answer, given
    from tunedb.maintenance.remove import remove

    run.progress.step(0, None, "removing")
    done = remove(run.store_url, given(source, "--source URI"), by=actor(), dry_run=dry_run)
    run.show(answer(run.store_url, done, dry_run=dry_run))
