"""`tunedb workloads`: what has been tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.records import WorkloadSummary

SUMMARY = "List what has been tuned"
EXAMPLES = ("tunedb workloads",)


def command(store: StoreUrl = None, as_of: AsOf = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the workloads in the store, with their trials and TVM's structural hashes."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(answer(opened.workloads()))


def answer(summaries: Sequence[WorkloadSummary]) -> Answer:
    """One row a workload."""
    from cli.labels import short
    from cli.output import Answer, Table
    from cli.units import count

    documents = [
        {
            "workload_hash": row.workload_id,
            "name": row.name,
            "structural_hashes": list(row.structural_hashes),
            "tvm_versions": list(row.tvm_versions),
            "trials": row.num_trials,
            "failed": row.num_failed,
            "targets": row.num_targets,
        }
        for row in summaries
    ]
    rows = [
        [
            short(row.workload_id),
            row.name,
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
            str(row.num_targets),
            ", ".join(row.tvm_versions) or "-",
            ", ".join(row.structural_hashes) or "-",
        ]
        for row in summaries
    ]
    headers = ["hash", "name", "trials", "failed", "targets", "TVM", "TVM's structural hash"]
    table = Table(headers, rows, right=frozenset({"trials", "failed", "targets"}))
    return Answer({"workloads": documents}, [table, "", count(len(rows), "workload")])
