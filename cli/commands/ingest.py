"""`tunedb ingest`: reads tuning logs into the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode
from cli.options import AsJson, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from tunedb.ingest import IngestReport

    from cli.output import Answer
    from tunedb.records import Rejected

SUMMARY = "Read tuning logs into the store"
EXAMPLES = ("tunedb ingest data", 'tunedb ingest tuning_logs/ more.tar.xz --hardware "Apple M1 Ultra"')

_NAMED_REJECTIONS = 20


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Log files and folders, searched through.")],
    hardware: Annotated[
        str | None, typer.Option("--hardware", metavar="NAME", help="The machine that the logs were measured on.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read MetaSchedule databases into the store; what is there already is not added again."""
    with session(store, as_json, debug) as run:
        from tunedb.errors import NotFoundError

        missing = [path for path in paths if not path.exists()]
        if missing:
            raise NotFoundError(f"no such file or folder: {', '.join(map(str, missing))}")
        with run.open_store(create=True) as opened:
            from tunedb.ingest import ingest

            from tunedb.hardware import hardware_named

            machine = None if hardware is None else hardware_named(hardware)
            report = ingest(opened, paths, hardware=machine)
            for line in rejection_lines(report.rejected):
                run.progress.note(line)
            run.show(answer(report))
            if report.rejected:
                run.exit_code = ExitCode.BAD_INPUT


def rejection_lines(rejected: Sequence[Rejected]) -> list[str]:
    """What was rejected, a line each, and how many more there are."""
    lines = [
        f"rejected: {piece.uri}{f':{piece.line}' if piece.line else ''}: {piece.reason}"
        for piece in rejected[:_NAMED_REJECTIONS]
    ]
    rest = len(rejected) - _NAMED_REJECTIONS
    return lines if rest <= 0 else [*lines, f"and {rest:,} more: `tunedb stats --rejected {len(rejected)}` lists them"]


def answer(report: IngestReport) -> Answer:
    raise NotImplementedError
