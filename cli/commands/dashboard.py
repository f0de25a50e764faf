"""`tunedb dashboard`: the store as pages in a browser, on this machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Look at the store in a browser"
EXAMPLES = ("tunedb dashboard", "tunedb dashboard --store ~/tuning --port 8080 --no-browser")


@verb
def command(
    run: Session,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open a browser, or print the address only.")
    ] = True,
) -> None:
    """Serve the store's pages to this machine until Ctrl-C, and open them. Nothing can be changed through them. Where a
    service keeps the store, its own pages are opened.
    """
    import tempfile
    import webbrowser
    from pathlib import Path

    from cli.output import Answer
    from cli.service import cache_folder, needed
    from tunedb.store.locations import is_service

    def show(url: str) -> None:
        run.show(Answer({"url": url, "store": run.store_url}, [f"{run.store_url} at {url}"]))
        if browser and not webbrowser.open(url):
            run.progress.note("no browser was found: open the address in one")

    if is_service(run.store_url):
        show(run.store_url)
        return
    needed()
    from service.run import look_at
    from service.settings import Settings

    with run.open_store() as store, tempfile.TemporaryDirectory(prefix="tunedb-dashboard-") as state:
        look_at(store, Settings(Path(state), port=port), show, cache_folder())
