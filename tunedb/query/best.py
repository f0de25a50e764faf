"""The fastest records of a workload, each target by itself: the question behind `tunedb best`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunedb.errors import NotFoundError
from tunedb.program.targets import near
from tunedb.query.ranking import Ranked, ranked_best
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Source, Target, Trial, WorkloadSummary
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Best:
    """One schedule among the fastest of its workload and target, with what is known around it."""

    workload: WorkloadSummary
    target: Target
    hardware: Hardware | None
    source: Source | None
    ranked: Ranked
    script: str | None = None  # its TVMScript, where it was asked for: `tunedb.metaschedule.replay.with_scripts`

    @property
    def trial(self) -> Trial:
        """The schedule's fastest trial."""
        return self.ranked.trial


def best(
    store: StoreReader,
    prefix: str,
    target: str | None = None,
    top: int = 1,
    conditions: str = DEFAULT_CONDITIONS,
) -> list[Best]:
    """The fastest schedules of a workload on each target, the target with the fastest one first.

    Args:
        store: the store that is asked.
        prefix: the beginning of the workload's hash, ours or TVM's.
        target: what the one target that is meant is called, as `Store.resolve_target` understands it; None takes all.
        top: how many schedules of each target at most.
        conditions: the conditions that they were measured under, as trials have them.

    Returns:
        At least one schedule; those of one target follow each other, the fastest first.

    Raises:
        NotFoundError: there is no such workload or target, or no good trial of it. Near-equal targets that have some
            are named, and never answer in its place.
        AmbiguousPrefixError: more than one workload or target is meant.
    """
    workload = store.resolve_workload(prefix)
    targets = store.targets() if target is None else [store.resolve_target(target)]
    hardware = {machine.hardware_id: machine for machine in store.hardware()}
    sources = {source.source_id: source for source in store.sources()}
    groups = [
        [
            Best(
                workload,
                candidate,
                hardware.get(ranked.trial.hardware_id),
                sources.get(ranked.trial.source_id),
                ranked,
            )
            for ranked in ranked_best(store, workload.workload_id, candidate.target_id, top, conditions)
        ]
        for candidate in targets
    ]
    groups = sorted((group for group in groups if group), key=lambda group: group[0].ranked.estimate.secs)
    if not groups:
        where = f" on target {target!r}" if target else ""
        under = "" if conditions == DEFAULT_CONDITIONS else f" under the conditions {conditions}"
        hints = f"{_near_equal(store, workload, targets)}{_under_others(store, workload, targets, conditions)}"
        raise NotFoundError(
            f"workload {workload.name} ({prefix}) has no good trial{where}{under}{hints}",
            kind="record",
            asked=prefix,
        )
    return [found for group in groups for found in group]


def _under_others(store: StoreReader, workload: WorkloadSummary, asked: Sequence[Target], conditions: str) -> str:
    """Under which other conditions there are good trials, as the end of a sentence; "" when there are none."""
    wanted = {target.target_id for target in asked}
    others = {
        row.conditions
        for row in store.pool_summaries([workload.workload_id])
        if row.target_id in wanted and row.best_secs is not None and row.conditions != conditions
    }
    return f"; there are some under other conditions: {', '.join(sorted(others))}" if others else ""


def _near_equal(store: StoreReader, workload: WorkloadSummary, asked: Sequence[Target]) -> str:
    """Which near-equal targets do have good trials, as the end of a sentence; "" when none has."""
    known = store.targets()
    have = [
        f"{row.target_id[:12]} {row.text}"
        for target in asked
        for row in near(known, target)
        if store.schedules(workload.workload_id, row.target_id, 1)
    ]
    return f"; near-equal targets have: {', '.join(have)}" if have else ""
