"""`tunedb export`: writes records as a database that stock TVM opens, or as one table for other tools."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets, workloads
from cli.verb import store_verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.output import Answer
    from cli.session import Session
    from tunedb.metaschedule.export import ExportReport
    from tunedb.store.contract import Store
    from tunedb.tuner_logs import LogReport

SUMMARY = "Write records as a database, a table or a log"
EXAMPLES = (
    "tunedb export tuning_logs --target znver5",
    "tunedb export best_logs --workload 5f3a --top 10",
    "tunedb export trials.parquet",
    "tunedb export trials.csv --workload 5f3a",
    "tunedb export best.log --format autotvm --top 1",
    "tunedb export results.json --format t4 --workload 5f3a --target znver5",
)


class Form(StrEnum):
    """What to write."""

    METASCHEDULE = "metaschedule"
    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    AUTOTVM = "autotvm"
    ANSOR = "ansor"
    T4 = "t4"


_BY_SUFFIX = {".parquet": Form.PARQUET, ".arrow": Form.ARROW, ".feather": Form.ARROW, ".csv": Form.CSV}
# Names of files, by which nobody means the folder of a database.
_UNTOLD = frozenset(
    {".db", ".gz", ".json", ".jsonl", ".log", ".ndjson", ".tsv", ".txt", ".xlsx", ".xz", ".zip", ".zst"}
)


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Folder of the database, or file of the table; never replaced."),
    ],
    form: Annotated[
        Form | None,
        typer.Option("--format", help="What to write.  [default: as PATH ends, else metaschedule]"),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload", metavar="HASH", autocompletion=workloads, help="Only this workload: a prefix of its hash."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Only this target: id prefix, arch, or as logs write it.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="K", min=1, help="Only the K fastest of each workload and target.  [default: all]"
        ),
    ] = None,
) -> None:
    """Write records as a MetaSchedule JSON database, which stock TVM opens with `ms.database.JSONDatabase`, or as one
    flat table of trials, failed ones too, or what came from AutoTVM or Ansor as a log of theirs. T4 is what Kernel
    Tuner writes.
    """
    from tunedb.errors import NotFoundError
    from tunedb.metaschedule.export import export_metaschedule

    workload_id = None if workload is None else store.resolve_workload(workload).workload_id
    target_id = None if target is None else store.resolve_target(target).target_id
    wanted = form or _form_of(path)
    total = store.stats().num_trials if workload is None and target is None and top is None else None
    tell = partial(_told, run, total)
    tell(0)
    if wanted in (Form.AUTOTVM, Form.ANSOR):
        from tunedb.tuner_logs import export_log

        log = export_log(store, path, wanted.value, workload_id=workload_id, target_id=target_id, top_k=top)
        _note_left_out(run, log.left_out)
        if log.trials == 0:
            raise NotFoundError(f"no trial that was chosen has the form of a log of {wanted.value}", kind="record")
        run.show(log_answer(log))
        return
    if wanted is Form.T4:
        from tunedb.t4 import export_t4

        results = export_t4(store, path, workload_id=workload_id, target_id=target_id, top_k=top, on_progress=tell)
        if results.pools > 1:
            run.progress.complain(
                "the file holds several workloads, targets or machines, which T4 cannot tell apart: "
                "--workload and --target choose"
            )
        run.show(table_answer(path, wanted, results.trials))
        return
    if wanted is not Form.METASCHEDULE:
        from tunedb.query.tabular import write_file

        rows = write_file(store, path, wanted.value, workload_id, target_id, top, tell)
        run.show(table_answer(path, wanted, rows))
        return
    report = export_metaschedule(store, path, workload_id=workload_id, target_id=target_id, top_k=top, on_progress=tell)
    _note_left_out(run, report.left_out)
    targets = len(store.targets())
    if target is None and targets > 1:
        run.progress.complain(
            f"the store has {targets} targets, and stock's JSONDatabase answers for any of them: "
            "--target keeps them apart"
        )
    if report.trials == 0:
        raise NotFoundError("there was nothing to export", kind="record")
    run.show(answer(report))


def _told(run: Session, total: int | None, done: int) -> None:
    run.progress.step(done, total, "trials exported")


def _form_of(path: Path) -> Form:
    """What a path's name says that is to be written.

    Raises:
        UsageError: it is the name of a file of another kind.
    """
    from tunedb.errors import UsageError

    suffix = path.suffix.lower()
    if suffix in _UNTOLD:
        raise UsageError(f"what {path} is to be, its name does not say: --format is one of {', '.join(Form)}")
    return _BY_SUFFIX.get(suffix, Form.METASCHEDULE)


def _note_left_out(run: Session, left_out: Mapping[str, int]) -> None:
    from tunedb.units import count

    for reason, number in left_out.items():
        run.progress.complain(f"left out {count(number, 'trial')}: {reason}")


def answer(report: ExportReport) -> Answer:
    """What was written."""
    from cli.output import Answer
    from tunedb.documents import reports
    from tunedb.units import count

    what = f"{count(report.trials, 'trial')} of {count(report.workloads, 'workload')}"
    return Answer(reports.exported(report), [f"{what} written to {report.directory}"])


def log_answer(report: LogReport) -> Answer:
    """What was written as a log."""
    from cli.output import Answer
    from tunedb.documents import reports
    from tunedb.units import count

    return Answer(reports.log_written(report), [f"{count(report.trials, 'trial')} written to {report.file}"])


def table_answer(path: Path, form: Form, rows: int) -> Answer:
    """What was written as a table."""
    from cli.output import Answer
    from tunedb.documents import reports
    from tunedb.units import count

    return Answer(reports.table_written(path, form.value, rows), [f"{count(rows, 'trial')} written to {path}"])
