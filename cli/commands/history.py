"""`tunedb history`: best so far against trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.query.convergence import History
    from tunedb.records import Hardware, Target, WorkloadSummary

SUMMARY = "Show how a workload's best fell, source by source"
EXAMPLES = ("tunedb history 5f3a", "tunedb history 5f3a --target znver5 --json")

_AFTER = (1, 8, 16, 32, 64, 128, 256, 512, 1024)


def command(
    workload: Annotated[str, typer.Argument(metavar="HASH", help="Prefix of a workload's hash, ours or TVM's.")],
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="Only this target: id prefix, arch or JSON.")
    ] = None,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the best latency so far against the number of trials, for each log and tuning run."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from tunedb.query.convergence import histories

        summary = opened.resolve_workload(workload)
        target_id = None if target is None else opened.resolve_target(target).target_id
        sources = {source.source_id: source for source in opened.sources()}
        found = histories(opened.trials(summary.workload_id, target_id), sources)
        targets = {row.target_id: row for row in opened.targets()}
        hardware = {row.hardware_id: row for row in opened.hardware()}
        run.show(answer(summary, found, targets, hardware))


def answer(
    summary: WorkloadSummary,
    found: Sequence[History],
    targets: Mapping[str, Target],
    hardware: Mapping[str, Hardware],
) -> Answer:
    """One row a source; the JSON form has every improvement."""
    from cli.labels import hardware_label, short, target_label
    from cli.output import Answer, Table
    from cli.units import duration

    documents = [
        {
            "source": row.source.uri,
            "format": row.source.format,
            "target": targets[row.target_id].text,
            "target_id": row.target_id,
            "hardware": hardware[row.hardware_id].name,
            "trials": row.num_trials,
            "failed": row.num_failed,
            "improvements": [
                {"trial": step.number, "run_secs_median": step.secs, "record_id": step.trial_id}
                for step in row.improvements
            ],
        }
        for row in found
    ]
    longest = max((row.num_trials for row in found), default=0)
    columns = [number for number in _AFTER if number <= longest]
    rows = [
        [
            row.source.uri,
            target_label(targets[row.target_id]),
            hardware_label(hardware[row.hardware_id]),
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
            *(duration(row.best_after(number) if number <= row.num_trials else None) for number in columns),
            duration(row.best_after(row.num_trials)),
        ]
        for row in found
    ]
    after = [f"@{number}" for number in columns]
    headers = ["source", "target", "hardware", "trials", "failed", *after, "best"]
    table = Table(headers, rows, right=frozenset({"trials", "failed", "best", *after}))
    document = {"workload_hash": summary.workload_id, "name": summary.name, "sources": documents}
    return Answer(document, [f"workload {short(summary.workload_id)}  {summary.name}", "", table])
