"""`tunedb show`: everything that is known of a workload or of one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import workloads
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.query.description import RecordDescription, WorkloadDescription
    from tunedb.store.contract import Store

SUMMARY = "Show everything of a workload or a record"
EXAMPLES = ("tunedb show 5f3a", "tunedb show 90aa12 --json")


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    prefix: Annotated[
        str,
        typer.Argument(metavar="HASH", autocompletion=workloads, help="Prefix of a workload's or of a record's hash."),
    ],
) -> None:
    """Show everything that is known of a workload or of one record; a workload wins where both fit."""
    from tunedb.metaschedule.upgrade import hindrance
    from tunedb.query.description import WorkloadDescription, describe

    found = describe(store, prefix)
    if isinstance(found, WorkloadDescription):
        run.show(workload_answer(found))
    else:
        run.show(record_answer(found, hindrance(store, found.trial)))


def workload_answer(found: WorkloadDescription) -> Answer:
    """A workload: its modules, and its best on each target and machine."""
    from cli.commands.compare import table as compared
    from cli.labels import short, verified_label
    from cli.output import Answer, Table
    from tunedb.documents import answers

    rows = [
        [short(row.module_id) or "-", row.structural_hash or "-", row.tvm_version or "-", f"{len(row.module_json):,}"]
        for row in found.modules
    ]
    heading = [
        f"workload {found.summary.workload_id}",
        f"name     {found.summary.name}",
        f"trials   {found.summary.num_trials:,}, {found.summary.num_failed:,} of them failed",
    ]
    modules = Table(["module", "structural hash", "TVM", "bytes"], rows, right=frozenset({"bytes"}))
    verified = [
        f"record {short(row.record_id)} verified {verified_label(found.verdicts.get(row.record_id), told=True)}"
        for row in found.compared
        if row.record_id is not None
    ]
    text: list[str | Table] = [*heading, "", modules, "", compared(found.compared), "", *verified]
    return Answer(answers.workload_description(found), text)


def record_answer(found: RecordDescription, hindrance: str | None) -> Answer:
    """A record: what was measured, of what, where, and where that is known from.

    Args:
        found: the record, and what it refers to.
        hindrance: why the installed TVM cannot replay it; None if it can.
    """
    from cli.labels import hardware_label, target_label, verified_label
    from cli.output import Answer
    from tunedb.documents import answers
    from tunedb.query.trace_text import trace_lines
    from tunedb.units import duration

    trial, source = found.trial, found.source
    lines = [
        f"record   {trial.trial_id}",
        f"workload {trial.workload_id}  {found.workload.name}",
        f"target   {target_label(found.target)}  {found.target.text}",
        f"hardware {hardware_label(found.hardware)}",
        f"outcome  {trial.outcome.value}{f': {trial.error}' if trial.error else ''}",
        f"median   {duration(trial.run_secs_median)}  (runs: {', '.join(map(duration, trial.run_secs)) or 'none'})",
        f"source   {source.uri} ({source.format}), number {trial.position + 1}",
        f"measured {trial.measured_at.isoformat() if trial.measured_at else 'unknown'}",
        f"replays  {'with the installed TVM' if hindrance is None else f'no: {hindrance}'}",
        f"verified {verified_label(found.verdict, told=True)}",
        "",
        "trace:",
        *(f"  {line}" for line in trace_lines(trial.trace)),
    ]
    return Answer(answers.record_description(found, hindrance), lines)
