"""`tunedb targets`: what was tuned for, and on which machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer
    from cli.session import Session
    from tunedb.query.target_groups import MeasuredTarget
    from tunedb.store.contract import Store

SUMMARY = "List what was tuned for, and on which machines"
EXAMPLES = ("tunedb targets",)


@store_verb(as_of=True)
def command(run: Session, store: Store) -> None:
    """List the targets in the store, each with the machines that its trials were measured on; near-equal ones (of
    one kind and architecture) together, with the flags in which they differ. GFLOP/s and GB/s are what one core of the
    machine did with the target's code in two small kernels that `tunedb tune` measures along with its trials.
    """
    from tunedb.query.target_groups import target_groups

    run.show(answer(target_groups(store)))


def answer(found: Sequence[MeasuredTarget]) -> Answer:
    """One row for each target on each machine."""
    from cli.labels import hardware_labels, short, target_label
    from cli.output import Answer, Table
    from tunedb.documents import answers

    machines = hardware_labels(row.summary.hardware for row in found)
    rows = [
        [
            short(row.summary.target.target_id),
            target_label(row.summary.target),
            row.differs_in,
            machines[row.summary.hardware.hardware_id],
            _billions(row.calibration.flop_per_sec),
            _billions(row.calibration.bytes_per_sec),
            str(row.summary.num_workloads),
            f"{row.summary.num_trials:,}",
            f"{row.summary.num_failed:,}",
        ]
        for row in found
    ]
    numbers = ["GFLOP/s", "GB/s", "workloads", "trials", "failed"]
    headers = ["id", "target", "differs in", "measured on", *numbers]
    return Answer(answers.targets(found), [Table(headers, rows, right=frozenset(numbers))])


def _billions(number: float | None) -> str:
    return f"{number / 1e9:.0f}" if number else "-"
