"""`tunedb export`: writes records as a database that stock TVM opens, or as one table for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.metaschedule.export import ExportReport

SUMMARY = "Write records as a MetaSchedule database, Parquet or Arrow"
EXAMPLES = (
    "tunedb export tuning_logs --target znver5",
    "tunedb export best_logs --workload 5f3a --top 10",
    "tunedb export trials.parquet",
)


class Form(StrEnum):
    """What to write."""

    METASCHEDULE = "metaschedule"
    PARQUET = "parquet"
    ARROW = "arrow"


_BY_SUFFIX = {".parquet": Form.PARQUET, ".arrow": Form.ARROW, ".feather": Form.ARROW}


def command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Folder of the database, or file of the table; never replaced."),
    ],
    form: Annotated[
        Form | None,
        typer.Option("--format", help="What to write.  [default: as PATH ends, else metaschedule]"),
    ] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", metavar="HASH", help="Only this workload: a prefix of its hash.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="Only this target: id prefix, arch or JSON.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="K", min=1, help="Only the K fastest of each workload and target.  [default: all]"
        ),
    ] = None,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write records as a MetaSchedule JSON database, which stock TVM opens with `ms.database.JSONDatabase`, or as one
    flat table of trials, failed ones too.
    """
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from cli.units import count
        from tunedb.errors import NotFoundError
        from tunedb.metaschedule.export import export_metaschedule

        workload_id = None if workload is None else opened.resolve_workload(workload).workload_id
        target_id = None if target is None else opened.resolve_target(target).target_id
        wanted = form or _BY_SUFFIX.get(path.suffix, Form.METASCHEDULE)
        if wanted is not Form.METASCHEDULE:
            from tunedb.query.tabular import write_file

            rows = write_file(opened, path, wanted.value, workload_id, target_id, top)
            run.show(table_answer(path, wanted, rows))
            return
        report = export_metaschedule(opened, path, workload_id=workload_id, target_id=target_id, top_k=top)
        for reason, number in report.left_out.items():
            run.progress.note(f"left out {count(number, 'trial')}: {reason}")
        targets = len(opened.targets())
        if target is None and targets > 1:
            run.progress.note(
                f"the store has {targets} targets, and stock's JSONDatabase answers for any of them: "
                "--target keeps them apart"
            )
        if report.trials == 0:
            raise NotFoundError("there was nothing to export")
        run.show(answer(report))


def answer(report: ExportReport) -> Answer:
    """What was written."""
    from cli.output import Answer
    from cli.units import count

    document = {
        "directory": str(report.directory),
        "workloads": report.workloads,
        "trials": report.trials,
        "failed": report.failed_trials,
        "left_out": dict(report.left_out),
    }
    what = f"{count(report.trials, 'trial')} of {count(report.workloads, 'workload')}"
    return Answer(document, [f"{what} written to {report.directory}"])


def table_answer(path: Path, form: Form, rows: int) -> Answer:
    """What was written as a table."""
    from cli.output import Answer
    from cli.units import count

    document = {"file": str(path), "format": form.value, "trials": rows}
    return Answer(document, [f"{count(rows, 'trial')} written to {path}"])
