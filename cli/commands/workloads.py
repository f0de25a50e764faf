"""`tunedb workloads`: what has been tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.records import WorkloadSummary
    from tunedb.store.contract import Store

SUMMARY = "List what has been tuned"
EXAMPLES = ("tunedb workloads",)


@store_verb(as_of=True)
def command(run: Session, store: Store) -> None:
    """List the workloads in the store, with their trials and TVM's structural hashes."""
    run.show(answer(store.workloads()))


def answer(summaries: Sequence[WorkloadSummary]) -> Answer:
    """One row a workload."""
    from cli.labels import short
    from cli.output import Answer, Table
    from tunedb.documents import answers
    from tunedb.units import count

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
    return Answer(answers.workloads(summaries), [table, "", count(len(rows), "workload")])
