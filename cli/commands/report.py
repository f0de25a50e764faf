"""`tunedb report`: tuning runs and benches as one HTML page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import runs
from cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.output import Answer
    from cli.session import Session
    from search.pages.page import Written
    from search.pages.subject import Subject

SUMMARY = "Show tuning runs and benches as a page"
EXAMPLES = (
    "tunedb report last -o report.html",
    "tunedb report 1a3d f954 -o both.html --png plots",
    "tunedb report bench/bench.json -o bench.html",
)


@verb
def command(
    run: Session,
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            autocompletion=runs,
            help="Tuning runs: the beginning of the id that follows `tune:`, or last; and files of `tunedb bench`.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page to be written.")] = Path(
        "report.html"
    ),
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FOLDER", help="Write each plot as a PNG file there, too.")
    ] = None,
) -> None:
    """Write one HTML page that shows how tuning runs went: best so far, where the time goes, predictions, roofline.

    The page asks no network for anything. It needs Altair and vl-convert: pip install 'tunedb[report]'.
    """
    from search.pages.data import subjects
    from search.pages.page import check_installed, write_page

    check_installed()
    found = subjects(wanted, run.open_store, partial(run.progress.step, 0, None))
    run.progress.step(0, None, "drawing")
    run.show(answer(write_page(output, found, heading=f"tunedb report: {', '.join(wanted)}", images=png), found))


def answer(written: Written, found: Sequence[Subject]) -> Answer:
    """What was written, and what could not be drawn."""
    from cli.output import Answer
    from search.pages import document
    from tunedb.units import count

    text = [
        f"{count(len(found), 'run')}, {count(len(written.plots), 'plot')}: {written.page}",
        *(f"left out: {one.title}: {one.why}" for one in written.left_out),
        *([f"{count(len(written.images), 'image')} in {written.images[0].parent}"] if written.images else []),
    ]
    return Answer(document.page(written, found), text)
