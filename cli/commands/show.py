"""`tunedb show`: everything that is known of a workload or of one record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import Trial, WorkloadSummary
    from tunedb.store.contract import Store

SUMMARY = "Show everything of a workload or a record"
EXAMPLES = ("tunedb show 5f3a", "tunedb show 90aa12 --json")


def command(
    prefix: Annotated[str, typer.Argument(metavar="HASH", help="Prefix of a workload's or of a record's hash.")],
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show everything that is known of a workload or of one record; a workload wins where both fit."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(find(opened, prefix))


def find(store: Store, prefix: str) -> Answer:
    """What is meant, and all of it.

    Raises:
        NotFoundError: neither a workload nor a record is meant.
        AmbiguousPrefixError: several are.
    """
    from tunedb.errors import AmbiguousPrefixError, NotFoundError

    try:
        summary = store.resolve_workload(prefix)
    except AmbiguousPrefixError:
        raise
    except NotFoundError:
        try:
            trial = store.trial(prefix)
        except AmbiguousPrefixError:
            raise
        except NotFoundError as error:
            raise NotFoundError(f"no workload and no record whose hash begins with {prefix!r}") from error
        return trial_answer(store, trial)
    return workload_answer(store, summary)


def workload_answer(store: Store, summary: WorkloadSummary) -> Answer:
    """A workload: its modules, and its best on each target and machine."""
    from cli.commands.compare import answer as compared
    from cli.labels import short
    from cli.output import Answer, Table
    from tunedb.query.comparison import compare

    modules = store.modules(summary.workload_id)
    signature = store.workload(summary.workload_id).signature
    side_by_side = compared(compare(store, [summary.workload_id]))
    document = {
        "kind": "workload",
        "workload_hash": summary.workload_id,
        "name": summary.name,
        "signature": json.loads(signature) if signature else None,
        "trials": summary.num_trials,
        "failed": summary.num_failed,
        "modules": [
            {
                "module_id": row.module_id,
                "structural_hash": row.structural_hash or None,
                "tvm_version": row.tvm_version or None,
                "bytes": len(row.module_json),
            }
            for row in modules
        ],
        **side_by_side.document,
    }
    rows = [
        [short(row.module_id) or "-", row.structural_hash or "-", row.tvm_version or "-", f"{len(row.module_json):,}"]
        for row in modules
    ]
    heading = [
        f"workload {summary.workload_id}",
        f"name     {summary.name}",
        f"trials   {summary.num_trials:,}, {summary.num_failed:,} of them failed",
    ]
    table = Table(["module", "structural hash", "TVM", "bytes"], rows, right=frozenset({"bytes"}))
    return Answer(document, [*heading, "", table, "", side_by_side.text[0]])


def trial_answer(store: Store, trial: Trial) -> Answer:
    """A record: what was measured, of what, where, and where that is known from."""
    from cli.labels import hardware_label, target_label
    from cli.output import Answer
    from cli.trace_text import trace_lines
    from cli.units import duration

    workload = store.resolve_workload(trial.workload_id)
    target = next(row for row in store.targets() if row.target_id == trial.target_id)
    machine = next(row for row in store.hardware() if row.hardware_id == trial.hardware_id)
    source = next(row for row in store.sources() if row.source_id == trial.source_id)
    measured_at = trial.measured_at.isoformat() if trial.measured_at else None
    hindrance = _hindrance(store, trial)
    document: dict[str, Any] = {
        "kind": "record",
        "record_id": trial.trial_id,
        "workload_hash": trial.workload_id,
        "name": workload.name,
        "module_id": trial.module_id or None,
        "target": target.text,
        "target_id": target.target_id,
        "hardware": machine.name,
        "outcome": trial.outcome.value,
        "error": trial.error or None,
        "run_secs_median": trial.run_secs_median if trial.run_secs else None,
        "run_secs": list(trial.run_secs),
        "source": source.uri,
        "format": source.format,
        "source_detail": json.loads(source.detail),
        "position": trial.position,
        "measured_at": measured_at,
        "replays": hindrance is None,
        "hindrance": hindrance,
        "args_info": json.loads(trial.args_info),
        "trace": json.loads(trial.trace.to_json()),
    }
    lines = [
        f"record   {trial.trial_id}",
        f"workload {trial.workload_id}  {workload.name}",
        f"target   {target_label(target)}  {target.text}",
        f"hardware {hardware_label(machine)}",
        f"outcome  {trial.outcome.value}{f': {trial.error}' if trial.error else ''}",
        f"latency  {duration(trial.run_secs_median)}  (runs: {', '.join(map(duration, trial.run_secs)) or 'none'})",
        f"source   {source.uri} ({source.format}), number {trial.position + 1}",
        f"measured {measured_at or 'unknown'}",
        f"replays  {'with the installed TVM' if hindrance is None else f'no: {hindrance}'}",
        "",
        "trace:",
        *(f"  {line}" for line in trace_lines(trial.trace)),
    ]
    return Answer(document, lines)


def _hindrance(store: Store, trial: Trial) -> str | None:
    """Why the installed TVM cannot replay the record, as far as its form tells; None if it can."""
    from tunedb.errors import BadInputError
    from tunedb.metaschedule.export import installed_tvm
    from tunedb.metaschedule.upgrade import replayable

    release = installed_tvm()
    if not release:
        return "no TVM is installed"
    try:
        replayable(store, trial, release)
    except BadInputError as error:
        return str(error)
    return None
