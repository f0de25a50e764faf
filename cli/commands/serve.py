"""`tunedb serve`: this store over HTTP, for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Serve the store over HTTP"
EXAMPLES = (
    "tunedb serve",
    "TUNEDB_STORE=http://127.0.0.1:8077 tunedb workloads",
    "tunedb serve --host 0.0.0.0 --name tuning.example.org --certificate cert.pem --key key.pem",
)


@verb
def command(
    run: Session,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; any but this machine takes a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")
    ] = 8077,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="Another name by which it is reached, of a proxy; repeatable."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="For TLS, in PEM; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The certificate's key, in PEM.")] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FOLDER", help="Tokens and audit log.  [default: ~/.local/state/tunedb/service]"
        ),
    ] = None,
) -> None:
    """Serve the store until Ctrl-C. While no token was ever made, this machine's users need none; `tunedb token create`
    makes one, and from then on nothing is answered without.
    """
    from cli.output import Answer
    from cli.service import needed, state_folder
    from tunedb.errors import UsageError
    from tunedb.store.locations import is_service

    needed()
    if is_service(run.store_url):
        raise UsageError(f"{run.store_url} is a service already: name the store itself")
    from service.run import serve
    from service.settings import Settings

    settings = Settings(state_folder(state), host, port, tuple(name or ()), certificate, key)
    with run.open_store(create=True, writes=True) as store:
        serve(
            store, settings, lambda url: run.show(Answer({"url": url, "store": store.url}, [f"{store.url} at {url}"]))
        )
