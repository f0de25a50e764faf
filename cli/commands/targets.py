"""`tunedb targets`: what was tuned for, and on which machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import TargetSummary

SUMMARY = "List what was tuned for, and on which machines"
EXAMPLES = ("tunedb targets",)


def command(store: StoreUrl = None, as_of: AsOf = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the targets in the store, each with the machines that its trials were measured on."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(answer(opened.target_summaries()))


def answer(summaries: Sequence[TargetSummary]) -> Answer:
    """One row for each target on each machine."""
    from cli.labels import hardware_label, short, target_label
    from cli.output import Answer, Table

    documents = [
        {
            "target_id": row.target.target_id,
            "target": row.target.text,
            "kind": row.target.kind,
            "arch": row.target.arch,
            "num_cores": row.target.num_cores,
            "hardware": dataclasses.asdict(row.hardware),
            "workloads": row.num_workloads,
            "trials": row.num_trials,
            "failed": row.num_failed,
        }
        for row in summaries
    ]
    rows = [
        [
            short(row.target.target_id),
            target_label(row.target),
            hardware_label(row.hardware),
            str(row.num_workloads),
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
        ]
        for row in summaries
    ]
    headers = ["id", "target", "measured on", "workloads", "trials", "failed"]
    return Answer({"targets": documents}, [Table(headers, rows, right=frozenset({"workloads", "trials", "failed"}))])
