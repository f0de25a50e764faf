"""The fastest records of a workload, each target by itself: the question behind `tunedb best`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tunedb.errors import NotFoundError
from tunedb.identity import trace_id
from tunedb.program.targets import near
from tunedb.query.estimates import tied
from tunedb.query.ranking import Ranked, ranked_best
from tunedb.query.trust import Trust, foreign_traces, trusted_best
from tunedb.query.verdicts import standing_verdicts
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Source, Target, Trial, Verdict, WorkloadSummary
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Best:
    """One schedule among the fastest of its workload and target, with what is known around it."""

    workload: WorkloadSummary
    target: Target
    hardware: Hardware | None
    source: Source | None
    ranked: Ranked
    verdict: Verdict | None = None  # that holds (`tunedb.query.verdicts`); None where nothing is known of its numbers
    senders: tuple[str, ...] = ()  # who sent its fastest trial over a service, if anybody did
    is_foreign: bool = False  # nobody but one sender, who is not the reader, has measured it (`tunedb.query.trust`)
    stands_in_for: Target | None = None  # of which nothing is known: `tunedb.metaschedule.stand_ins`
    script: str | None = None  # its TVMScript, where it was asked for: `tunedb.metaschedule.replay.with_scripts`

    @property
    def trial(self) -> Trial:
        """The schedule's fastest trial."""
        return self.ranked.trial


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the trials of a store: it changes less often than they do."""

    hardware: Mapping[str, Hardware]
    sources: Mapping[str, Source]
    trust: Trust

    @classmethod
    def of(cls, store: StoreReader, reader: str | None = None) -> Around:
        """As it is now.

        Args:
            store: the store.
            reader: who asks; None is who the store says.
        """
        return cls(
            {machine.hardware_id: machine for machine in store.hardware()},
            {source.source_id: source for source in store.sources()},
            Trust.of(store, reader),
        )


def best(
    store: StoreReader,
    prefix: str,
    target: str | None = None,
    top: int = 1,
    conditions: str = DEFAULT_CONDITIONS,
    *,
    trusted: bool = False,
    reader: str | None = None,
    around: Around | None = None,
) -> list[Best]:
    """The fastest schedules of a workload on each target, the target with the fastest one first.

    A schedule whose numbers were found wrong is none of them, unless a target has no other; its verdict says so then.

    Args:
        store: the store that is asked.
        prefix: the beginning of the workload's hash, ours or TVM's.
        target: what the one target that is meant is called, as `Store.resolve_target` understands it; None takes all.
        top: how many schedules of each target at most.
        conditions: the conditions that they were measured under, as trials have them.
        trusted: whether to leave out what is foreign (`tunedb.query.trust`).
        reader: to whom; None is who the store says.
        around: what stands around the trials, where the caller knows it already; then `reader` is not asked for.

    Returns:
        At least one schedule; those of one target follow each other, the fastest first. Targets that have none but
        wrong ones come last.

    Raises:
        NotFoundError: there is no such workload or target, or no good trial of it. Near-equal targets that have some
            are named, and never answer in its place.
        AmbiguousPrefixError: more than one workload or target is meant.
    """
    workload = store.resolve_workload(prefix)
    targets = store.targets() if target is None else [store.resolve_target(target)]
    known = around or Around.of(store, reader)
    hardware, sources, trust = known.hardware, known.sources, known.trust
    groups = [
        [
            Best(
                workload,
                candidate,
                hardware.get(ranked.trial.hardware_id),
                sources.get(ranked.trial.source_id),
                ranked,
                verdict,
                tuple(sorted(trust.senders.get(ranked.trial.source_id, ()))),
                is_foreign,
            )
            for ranked, verdict, is_foreign in _judged(
                store, workload.workload_id, candidate.target_id, top, conditions, trust if trusted else None, trust
            )
        ]
        for candidate in targets
    ]
    groups = sorted((group for group in groups if group), key=lambda group: _order(group[0]))
    if not groups:
        where = f" on target {target!r}" if target else ""
        under = "" if conditions == DEFAULT_CONDITIONS else f" under the conditions {conditions}"
        trusted_only = " that is not foreign" if trusted else ""
        hints = f"{_near_equal(store, workload, targets)}{_under_others(store, workload, targets, conditions)}"
        raise NotFoundError(
            f"workload {workload.name} ({prefix}) has no good trial{trusted_only}{where}{under}{hints}",
            kind="record",
            asked=prefix,
        )
    return [found for group in groups for found in group]


def _order(found: Best) -> tuple[bool, float]:
    is_wrong = found.verdict is not None and not found.verdict.agrees
    return is_wrong, found.ranked.estimate.secs


def _judged(
    store: StoreReader,
    workload_id: str,
    target_id: str,
    top: int,
    conditions: str,
    only: Trust | None,
    trust: Trust,
) -> list[tuple[Ranked, Verdict | None, bool]]:
    """The fastest schedules with their verdicts: those that were found wrong only where there are no others.

    What is foreign is left out where `only` is given.
    """
    verdicts = standing_verdicts(store, workload_id, target_id)
    wrong = {trace for trace, verdict in verdicts.items() if not verdict.agrees}
    limit = top
    while True:
        found = [
            (ranked, trace_id(ranked.trial.trace))
            for ranked in (
                ranked_best(store, workload_id, target_id, limit, conditions)
                if only is None
                else trusted_best(store, only, workload_id, target_id, conditions)
            )
        ]
        right = [(ranked, trace) for ranked, trace in found if trace not in wrong]
        if len(right) >= top or len(found) < limit or only is not None:
            break
        limit += top + len(wrong)  # a schedule may have been measured on several machines
    kept = (right or found)[:top]
    foreign = foreign_traces(store, trust, workload_id, target_id, (trace for _, trace in kept))
    return [
        (replace(ranked, tied=tied(ranked.estimate, kept[0][0].estimate)), verdicts.get(trace), trace in foreign)
        for ranked, trace in kept
    ]


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
