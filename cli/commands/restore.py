"""`tunedb restore`: the store as it was, as a new version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.revisions import DRY_RUN, actor
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Bring the store back to what it was at a version or a time"
EXAMPLES = ("tunedb restore --as-of 12 --dry-run", "tunedb restore --as-of 2026-11-20T21:00")


@verb
def command(
    run: Session,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="VERSION|TIME", help="A version or a time, as in `stats`.")
    ] = None,
    dry_run: DRY_RUN = False,
) -> None:
    """Undo what came since, as a new version, which can itself be undone.

    Versions stay until `compact` frees them.
    """
    from cli.revisions import answer, given
    from tunedb.maintenance.restore import restore
    from tunedb.store.opening import parse_as_of

    moment = parse_as_of(given(as_of, "--as-of VERSION"))
    assert moment is not None
    run.progress.step(0, None, "restoring")
    done = restore(run.store_url, moment, by=actor(), dry_run=dry_run)
    run.show(answer(run.store_url, done, dry_run=dry_run))
