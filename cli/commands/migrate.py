"""`tunedb migrate`: a store of an earlier schema version, brought to the present one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.maintenance.migrate import MigratedTable

SUMMARY = "Bring a store that an earlier tunedb wrote to the present schema version"
EXAMPLES = ("tunedb migrate", "tunedb migrate --store s3://bucket/store")


@verb
def command(run: Session) -> None:
    """Rewrite the tables of an older store. Nothing is lost, and it may be interrupted and done again at any moment.

    Nobody else should write meanwhile.
    """
    from tunedb.maintenance.migrate import migrate

    run.progress.step(0, None, "tables migrated")
    done = migrate(run.store_url, on_progress=lambda done, total: run.progress.step(done, total, "tables migrated"))
    run.show(answer(done))


def answer(migrated: Sequence[MigratedTable]) -> Answer:
    """What was rewritten."""
    from cli.output import Answer, Table
    from tunedb.documents import reports
    from tunedb.store.schema import SCHEMA_VERSION

    document = reports.migrated(migrated)
    if not migrated:
        return Answer(document, [f"the store has schema version {SCHEMA_VERSION} already"])
    rows = [[row.table, f"{row.rows:,}"] for row in migrated]
    done = f"the store has schema version {SCHEMA_VERSION} now; `tunedb compact` frees what its older form took"
    return Answer(document, [Table(["table", "rows"], rows), "", done])
