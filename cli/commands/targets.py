"""`tunedb targets`: what was tuned for, and on which machines."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer
    from tunedb.query.calibration import Calibration
    from tunedb.records import TargetSummary

SUMMARY = "List what was tuned for, and on which machines"
EXAMPLES = ("tunedb targets",)


def command(store: StoreUrl = None, as_of: AsOf = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the targets in the store, each with the machines that its trials were measured on; near-equal ones (of
    one kind and architecture) together, with the flags in which they differ. GFLOP/s and GB/s are what one core of the
    machine did with the target's code in two small kernels that `tunedb tune` measures along with its trials.
    """
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        from tunedb.query.calibration import calibration

        run.show(answer(opened.target_summaries(), partial(calibration, opened)))


def answer(summaries: Sequence[TargetSummary], calibrate: Callable[[str, str], Calibration]) -> Answer:
    """One row for each target on each machine.

    Args:
        summaries: of the store.
        calibrate: what a core of a machine can do, from the ids of target and hardware.
    """
    from cli.labels import hardware_label, short, target_label
    from cli.output import Answer, Table
    from tunedb.program.targets import described, family, near

    known = list({row.target.target_id: row.target for row in summaries}.values())
    totals: Counter[str] = Counter()
    for row in summaries:
        totals[family(row.target)] += row.num_trials

    def place(row: TargetSummary) -> tuple[object, ...]:
        name = family(row.target)
        return -totals[name], name, row.target.target_id, -row.num_trials

    summaries = sorted(summaries, key=place)
    cores = [calibrate(row.target.target_id, row.hardware.hardware_id) for row in summaries]
    documents = [
        {
            "target_id": row.target.target_id,
            "target": row.target.text,
            "kind": row.target.kind,
            "arch": row.target.arch,
            "num_cores": row.target.num_cores,
            "near_equal": [other.target_id for other in near(known, row.target)],
            "hardware": dataclasses.asdict(row.hardware),
            "flop_per_sec": core.flop_per_sec,
            "bytes_per_sec": core.bytes_per_sec,
            "workloads": row.num_workloads,
            "trials": row.num_trials,
            "failed": row.num_failed,
        }
        for row, core in zip(summaries, cores, strict=True)
    ]
    rows = [
        [
            short(row.target.target_id),
            target_label(row.target),
            described(row.target, known),
            hardware_label(row.hardware),
            *(f"{each / 1e9:.0f}" if each else "-" for each in (core.flop_per_sec, core.bytes_per_sec)),
            str(row.num_workloads),
            f"{row.num_trials:,}",
            f"{row.num_failed:,}",
        ]
        for row, core in zip(summaries, cores, strict=True)
    ]
    numbers = ["GFLOP/s", "GB/s", "workloads", "trials", "failed"]
    headers = ["id", "target", "differs in", "measured on", *numbers]
    return Answer({"targets": documents}, [Table(headers, rows, right=frozenset(numbers))])
