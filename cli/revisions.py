"""What `remove`, `relabel` and `restore` share: who does it, and how its answer reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.maintenance.revise import Revised

DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def actor() -> str:
    """Who runs the command, and where: "ada@lab"."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def given(value: str | None, option: str) -> str:
    """An option's value, without which the verb has nothing to do.

    Raises:
        UsageError: it is not given.
    """
    from tunedb.errors import UsageError

    if not value:
        raise UsageError(f"give {option}")
    return value


def answer(store_url: str, done: Revised, *, dry_run: bool) -> Answer:
    """What was done, and how to undo it."""
    from cli.output import Answer
    from tunedb.documents import reports
    from tunedb.units import count

    would = "would be " if dry_run else ""
    text = [f"source {source.uri}" for source in done.sources]
    if done.action == "relabel":
        text.append(f"{count(done.relabelled, 'trial')} {would}relabelled")
        if done.removed:
            text.append(f"{count(done.removed, 'trial')} {would}one with them: both had been stored")
    elif done.action == "remove":
        text.append(f"{count(done.removed, 'trial')} {would}removed")
        if done.kept:
            text.append(f"{count(done.kept, 'trial')} {would}kept: another source brought them too")
        if done.quarantined:
            text.append(f"{count(done.quarantined, 'quarantined line')} {would}removed")
    else:
        text.append(f"{count(done.removed, 'trial')} {would}taken out that came since")
        text.append(f"{count(done.kept, 'trial')} {would}brought back")
    if dry_run:
        text.append("nothing was changed")
    elif done.version != done.version_before:
        text.append(f"to undo it: tunedb restore --as-of {done.version_before}")
    return Answer(reports.revised(store_url, done, dry_run=dry_run), text)
