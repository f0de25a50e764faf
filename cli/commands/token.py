"""`tunedb token`: who may ask a service, and for what."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.output import Answer
    from cli.session import Session
    from service.tokens import Token

SUMMARY = "Create, list and revoke a service's tokens"
EXAMPLES = (
    "tunedb token create board-3 --scope write",
    "tunedb token list",
    "tunedb token revoke board-3",
)


class Action(StrEnum):
    """What to do."""

    CREATE = "create"
    LIST = "list"
    REVOKE = "revoke"


class ScopeName(StrEnum):
    """What a token is for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@verb
def command(
    run: Session,
    action: Annotated[
        Action, typer.Argument(help="create one, which is shown this once; list them; revoke one.")
    ] = Action.LIST,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of the token: who it is for.")] = None,
    scope: Annotated[
        ScopeName, typer.Option("--scope", help="read asks; write sends trials too; admin does all.")
    ] = ScopeName.READ,
    days: Annotated[
        float | None, typer.Option("--days", metavar="N", min=0, help="How long it is valid.  [default: 365]")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FOLDER", help="Where the service keeps them.  [default: as `tunedb serve`]"),
    ] = None,
) -> None:
    """Tokens are kept as hashes. A service takes part in what is changed here at once."""
    from datetime import timedelta

    from cli.output import Answer
    from cli.service import needed, state_folder
    from tunedb.errors import UsageError

    needed()
    from service.tokens import Scope, Tokens

    if (name is None) is not (action is Action.LIST):
        raise UsageError(f"`tunedb token {action}` takes {'no name' if action is Action.LIST else 'a name'}")
    tokens = Tokens(state_folder(state))
    if action is Action.CREATE:
        assert name is not None
        lifetime = timedelta(days=365.0 if days is None else min(days, 36_500.0))
        made = tokens.create(name, Scope(scope.value), lifetime)
        run.progress.note("it is not shown again; put it in TUNEDB_TOKEN, or in a file that only you can read")
        run.show(Answer({"name": name, "scope": scope.value, "token": made}, [made]))
        return
    if action is Action.REVOKE:
        assert name is not None
        tokens.revoke(name)
    run.show(answer(tokens.all()))


def answer(found: Sequence[Token]) -> Answer:
    """One row a token."""
    from datetime import UTC, datetime

    from cli.output import Answer, Table

    now = datetime.now(UTC)
    documents = [
        {
            "name": row.name,
            "scope": row.scope.value,
            "valid": row.is_valid(now),
            "created_at": row.created_at.isoformat(),
            "expires_at": None if row.expires_at is None else row.expires_at.isoformat(),
            "last_used_at": None if row.last_used_at is None else row.last_used_at.isoformat(),
            "revoked_at": None if row.revoked_at is None else row.revoked_at.isoformat(),
        }
        for row in found
    ]
    rows = [
        [
            row.name,
            row.scope.value,
            "yes" if row.is_valid(now) else "revoked" if row.revoked_at else "expired",
            *("-" if moment is None else f"{moment:%Y-%m-%d %H:%M}" for moment in (row.expires_at, row.last_used_at)),
        ]
        for row in found
    ]
    lines = [Table(["name", "scope", "valid", "expires", "last used"], rows)] if rows else ["no tokens"]
    return Answer({"tokens": documents}, lines)
