"""The store's targets on their machines, near-equal ones together: what `tunedb targets` shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tunedb.program.targets import described, family, near
from tunedb.query.calibration import Calibration, calibration
from tunedb.records import Target, TargetSummary
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class MeasuredTarget:
    """What was measured for one target on one machine."""

    summary: TargetSummary
    near_equal: tuple[Target, ...]  # of the store's, those that differ least first
    differs_in: str  # its own values of the fields in which it differs from these: "num-cores=8"; "" for none
    calibration: Calibration  # what a core of the machine can do with the target's code


def target_groups(store: StoreReader) -> list[MeasuredTarget]:
    """The store's targets on their machines, near-equal ones together, the group with the most trials first.

    Raises:
        StoreError: the store cannot be read.
    """
    summaries = store.target_summaries()
    known = list({row.target.target_id: row.target for row in summaries}.values())
    totals: Counter[str] = Counter()
    for row in summaries:
        totals[family(row.target)] += row.num_trials

    def place(row: TargetSummary) -> tuple[object, ...]:
        name = family(row.target)
        return -totals[name], name, row.target.target_id, -row.num_trials

    return [
        MeasuredTarget(
            row,
            tuple(near(known, row.target)),
            described(row.target, known),
            calibration(store, row.target.target_id, row.hardware.hardware_id),
        )
        for row in sorted(summaries, key=place)
    ]
