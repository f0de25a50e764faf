"""`tunedb targets`: what was tuned for, and on which machines."""

from __future__ import annotations

import dataclasses
from collections import Counter
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
    """List the targets in the store, each with the machines that its trials were measured on; near-equal ones (of
    one kind and architecture) together, with the flags in which they differ.
    """
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(answer(opened.target_summaries()))


def answer(summaries: Sequence[TargetSummary]) -> Answer:
    """One row for each target on each machine."""
    from cli.labels import hardware_label, short, target_label
    from cli.output import Answer, Table
    from tunedb.near_targets import described, family, near

    known = list({row.target.target_id: row.target for row in summaries}.values())
    totals: Counter[str] = Counter()
    for row in summaries:
        totals[family(row.target)] += row.num_trials

    def place(row: TargetSummary) -> tuple[object, ...]:
        name = family(row.target)
        return -totals[name], name, row.target.target_id, -row.num_trials

    summaries = sorted(summaries, key=place)
    documents = [
        {
            "target_id": row.target.target_id,
            "target": row.target.text,
            "kind": row.target.kind,
            "arch": row.target.arch,
            "num_cores": row.target.num_cores,
            "near_equal": [other.target_id for other in near(known, row.target)],
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
            described(row.target, known),
            hardware_label(row.hardware),
            str(row.num_workloads),
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
        ]
        for row in summaries
    ]
    headers = ["id", "target", "differs in", "measured on", "workloads", "trials", "failed"]
    return Answer({"targets": documents}, [Table(headers, rows, right=frozenset({"workloads", "trials", "failed"}))])
