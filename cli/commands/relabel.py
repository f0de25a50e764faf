"""`tunedb relabel`: the machine that trials were measured on, told afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import hardware as machines
from cli.completers import sources
from cli.revisions import DRY_RUN, actor
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Tell afterwards which machine trials were measured on"
EXAMPLES = ("tunedb relabel --hardware board --source logs/board/", 'tunedb relabel --hardware "EPYC 9965" --from lab')


@verb
def command(
    run: Session,
    hardware: Annotated[
        str | None,
        typer.Option("--hardware", metavar="NAME", autocompletion=machines, help="The machine that measured them."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="URI",
            autocompletion=sources,
            help="Those of a source: its URI or id, or its beginning.",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="HARDWARE", autocompletion=machines, help="Those of a machine: its name, or its id."
        ),
    ] = None,
    dry_run: DRY_RUN = False,
) -> None:
    """Give trials another machine. They keep their ids: the same log, ingested again, adds nothing."""
    from cli.revisions import answer, given
    from tunedb.maintenance.relabel import relabel

    name = given(hardware, "--hardware NAME")
    run.progress.step(0, None, "relabelling")
    done = relabel(run.store_url, name, source=source, machine=from_, by=actor(), dry_run=dry_run)
    run.show(answer(run.store_url, done, dry_run=dry_run))
