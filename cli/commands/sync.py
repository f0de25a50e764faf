"""`tunedb sync`: what could not be sent to a service, shown and sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import ExitCode
from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Send what waits for a service that was away"
EXAMPLES = ("tunedb sync", "tunedb sync --dry-run")


@verb
def command(
    run: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what waits.")] = False,
) -> None:
    """Send the trials that wait on this machine, in order, to the service of --store or, where that is none, to every
    service that something waits for. What cannot be sent goes on waiting.
    """
    from cli.output import Answer, Table
    from tunedb.errors import AccessError, StoreError, TunedbError
    from tunedb.store.http.credentials import spool_root
    from tunedb.store.http.spool import Spool, spools
    from tunedb.store.http.store import HttpStore
    from tunedb.store.locations import is_service

    root = spool_root({})
    found = [Spool(root, run.store_url)] if is_service(run.store_url) else spools(root)
    documents: list[dict[str, Any]] = []
    for spool in found:
        before = spool.waiting()
        sent, problem = 0, None
        if before and not dry_run:
            try:
                store = HttpStore(spool.url)
                try:
                    sent = store.sync().messages
                finally:
                    store.close()
            except (StoreError, AccessError) as error:
                problem = str(error)
        waiting = spool.waiting()
        documents.append(
            {
                "service": spool.url,
                "sent_messages": sent,
                "waiting_messages": len(waiting),
                "waiting_trials": sum(row.trials for row in waiting),
                "waiting_bytes": sum(row.num_bytes for row in waiting),
                "refused_messages": len(spool.refused()),
                "folder": str(spool.folder),
                "problem": problem,
            }
        )
    rows = [
        [
            row["service"],
            str(row["sent_messages"]),
            f"{row['waiting_trials']:,}",
            str(row["refused_messages"]),
            row["folder"],
            row["problem"] or "",
        ]
        for row in documents
    ]
    headers = ["service", "sent", "trials waiting", "refused", "folder", ""]
    table = Table(headers, rows, right=frozenset({"sent", "trials waiting", "refused"}))
    run.show(Answer({"services": documents}, [table] if any(map(_says, documents)) else ["nothing waits"]))
    failed: list[TunedbError] = [StoreError(row["problem"]) for row in documents if row["problem"]]
    if failed:
        run.exit_code = ExitCode.FAILED


def _says(row: dict[str, Any]) -> bool:
    return any(row[name] for name in ("sent_messages", "waiting_messages", "refused_messages"))
