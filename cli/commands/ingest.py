"""`tunedb ingest`: reads tuning logs into the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import hardware
from cli.exit_codes import ExitCode
from cli.verb import verb

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from tunedb.ingest.pipeline import IngestReport
    from tunedb.records import Rejected

SUMMARY = "Read tuning logs into the store"
EXAMPLES = ("tunedb ingest data", 'tunedb ingest tuning_logs/ more.tar.xz --hardware "Apple M1 Ultra"')

_NAMED_REJECTIONS = 20
_NAMED_SKIPPED = 5  # of each reason
_STDIN = Path("-")


@verb
def command(
    run: Session,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Log files and folders, searched through; - is stdin.")
    ],
    hardware: Annotated[
        str | None,
        typer.Option(
            "--hardware", metavar="NAME", autocompletion=hardware, help="The machine that the logs were measured on."
        ),
    ] = None,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage", help="Store what precedes the damage of a file or archive that is damaged or cut off."
        ),
    ] = False,
) -> None:
    """Read logs of MetaSchedule, AutoTVM, Ansor and Kernel Tuner into the store; what is there already is not added
    again.
    """
    from tunedb.errors import NotFoundError
    from tunedb.ingest.names import written

    gone = (path for path in paths if path != _STDIN and not os.path.exists(path))  # noqa: PTH110 - a name may be too long
    missing = [written(str(path)) for path in gone]
    if missing:
        named = ", ".join(missing)
        raise NotFoundError(f"no such file or folder: {named}", kind="file", asked=named)
    with run.open_store(create=True) as store:
        from tunedb.ingest.pipeline import ingest
        from tunedb.machine.hardware import hardware_named

        machine = None if hardware is None else hardware_named(hardware)
        report = ingest(
            store,
            [sys.stdin.buffer if path == _STDIN else path for path in paths],
            hardware=machine,
            salvage=salvage,
            on_progress=lambda event: run.progress.step(event.records, None, f"records  {event.uri}"),
        )
        for line in rejection_lines(report.rejected, report.num_rejected):
            run.progress.complain(line)
        run.show(answer(report, store.url))
        if report.num_rejected:
            run.exit_code = ExitCode.BAD_INPUT


def rejection_lines(rejected: Sequence[Rejected], total: int) -> list[str]:
    """What was rejected, a line each, and how many more there are."""
    lines = [
        f"rejected: {piece.uri}{f':{piece.line}' if piece.line else ''}: {piece.reason}"
        for piece in rejected[:_NAMED_REJECTIONS]
    ]
    rest = total - len(lines)
    return [*lines, f"and {rest:,} more: `tunedb stats --rejected {total}` lists them"] if rest else lines


def answer(report: IngestReport, store_url: str) -> Answer:
    """One row for each file with records or with something wrong, and the totals."""
    from cli.output import Answer, Table
    from tunedb.documents import reports
    from tunedb.units import count

    shown = [file for file in report.files if file.records or file.rejected]
    rows = [
        [file.uri, *(f"{number:,}" for number in (file.records, file.added, file.duplicates, file.rejected))]
        for file in shown
    ]
    sums = [
        [row.format, *(f"{n:,}" for n in (row.files, row.records, row.added, row.duplicates, row.rejected))]
        for row in report.formats()
    ]
    counts = ["records", "added", "known", "rejected"]
    totals = (
        f"{count(report.added, 'trial')} added ({report.failed_trials:,} of them failed when measured), "
        f"{report.duplicates:,} known already, {count(report.num_rejected, 'piece')} of input rejected"
    )
    text: list[str | Table] = [Table(["file", *counts], rows, right=frozenset(counts)), ""] if rows else []
    if len(shown) > 1:
        text += [Table(["format", "files", *counts], sums, right=frozenset(["files", *counts])), ""]
    if report.unknown_machines:
        text.append(
            f"{count(report.unknown_machines, 'log')} {'does' if report.unknown_machines == 1 else 'do'} not tell the "
            "machine: each has an unknown one of its own; name it with --hardware, or later with `tunedb relabel`"
        )
    return Answer(reports.ingested(report, store_url), [*text, *skipped_lines(report), f"{totals}; {store_url}"])


def skipped_lines(report: IngestReport) -> list[str]:
    """What was passed over, a line each reason, with some of the files that it is the reason for."""
    from tunedb.units import count

    by_reason: dict[str, list[str]] = {}
    for row in report.skipped:
        by_reason.setdefault(row.reason, []).append(row.uri)
    lines = []
    for reason, uris in by_reason.items():
        more = f", and {len(uris) - _NAMED_SKIPPED:,} more" if len(uris) > _NAMED_SKIPPED else ""
        lines.append(f"skipped {count(len(uris), 'file')} ({reason}): {', '.join(uris[:_NAMED_SKIPPED])}{more}")
    rest = report.skipped_files - len(report.skipped)
    return [*lines, f"skipped {count(rest, 'more file')}"] if rest else lines
