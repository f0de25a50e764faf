"""The best evidence for what was never measured: the same workload on other targets, and workloads like it.

How good such evidence is, the store itself tells. What a guess by it would have been is compared with what was measured
wherever both are known, and the median of how far they were apart is the loss to expect:

    same workload, target t' for t:     log T(w, t) - log T(w, t')                 over workloads w on both
    same target, workload w' for w:     log T(w, t)/W(w) - log T(w', t)/W(w')      over pairs of w's operator

with T the best latency, W the product of a workload's extents, and the second over pairs that are no farther apart.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

from tunedb.errors import UsageError
from tunedb.program.targets import family
from tunedb.records import DEFAULT_CONDITIONS, Target, Trial, WorkloadSummary
from tunedb.store.contract import StoreReader

MOST = 32
_COMPARED = 200  # workloads of an operator, the nearest ones, that are compared with each other
_ALIKE = 0.1  # nats: what is nearer counts as alike
_FEWEST = 3  # comparisons by which a loss can be told


class Sized(Protocol):
    """What has an operator and extents."""

    @property
    def family(self) -> str:
        """The operator."""

    @property
    def extents(self) -> tuple[int, ...]:
        """Of its loops."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A workload that no store need know: what it computes, and in which size."""

    family: str
    extents: tuple[int, ...]
    workload_id: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """What was measured of something like what was asked for."""

    workload: WorkloadSummary
    target: Target
    best_secs: float
    distance: float  # between the workloads, nats a dimension; 0 of the same one
    expected_secs: float  # what is asked for will take, going by this
    expected_loss: float | None  # how far off such guesses were, in the median: 0.2 is by a fifth; None: not known
    num_compared: int  # from so many comparisons
    trial: Trial | None = None  # its fastest


def distance(one: Sized, other: Sized) -> float:
    """How far apart the extents of two workloads are, in nats a dimension; infinite for other operators."""
    if one.family != other.family or len(one.extents) != len(other.extents) or not one.extents:
        return math.inf
    pairs = zip(one.extents, other.extents, strict=True)
    return sum(abs(math.log(max(1, a) / max(1, b))) for a, b in pairs) / len(one.extents)


def nearest(store: StoreReader, asked: Asked, target: Target, limit: int = 8) -> list[Near]:
    """The best evidence for a workload on a target, that with the least loss to expect first.

    Args:
        store: the store that is asked.
        asked: the workload.
        target: what it is to run on.
        limit: how many at most.

    Raises:
        UsageError: the workload has no operator or no extents, or `limit` makes no sense.
    """
    if not asked.extents or not asked.family:
        raise UsageError("what has no operator and extents is like nothing: name them, or a workload that has them")
    if not 1 <= limit <= MOST:
        raise UsageError(f"limit is {limit}; it is from 1 to {MOST}")
    apart = {row.workload_id: (distance(asked, row), row) for row in store.workloads()}
    like = sorted((pair for pair in apart.values() if math.isfinite(pair[0])), key=lambda one: (one[0], one[1].name))
    rows = [row for _, row in like[:_COMPARED]]
    bests = _bests(store, [row.workload_id for row in rows])
    targets = {one.target_id: one for one in store.targets() if one.kind == target.kind}
    found: list[Near] = []
    so_far = 0.0  # what is farther away is not believed to be better
    for away, row in like[:_COMPARED]:
        for target_id, secs in bests.get(row.workload_id, {}).items():
            if target_id not in targets or (row.workload_id, target_id) == (asked.workload_id, target.target_id):
                continue
            if away > 0 and target_id != target.target_id:
                continue  # both another workload and another target: never better than either
            if target_id == target.target_id:
                gaps = [abs(gap) for gap in _between_workloads(rows, bests, target_id, away)]
                expected = secs * _work(asked) / _work(row)
                if len(gaps) >= _FEWEST:
                    so_far = max(so_far, statistics.median(gaps))
                    gaps = [so_far] * len(gaps)
            else:
                ratios = _between_targets(bests, target.target_id, target_id)
                middle = statistics.median(ratios) if ratios else 0.0
                gaps = [abs(ratio - middle) for ratio in ratios]
                expected = secs * math.exp(middle)
            loss = math.expm1(statistics.median(gaps)) if len(gaps) >= _FEWEST else None
            found.append(Near(row, targets[target_id], secs, away, expected, loss, len(gaps)))
    found.sort(key=lambda one: _order(one, target))
    return [
        replace(one, trial=next(iter(store.best(one.workload.workload_id, one.target.target_id)), None))
        for one in found[:limit]
    ]


def _order(one: Near, target: Target) -> tuple[float, float, bool, str, str]:
    loss = math.inf if one.expected_loss is None else one.expected_loss
    return loss, one.distance, family(one.target) != family(target), one.workload.name, one.target.target_id


def _bests(store: StoreReader, workload_ids: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """The best latency by workload and target, on whatever machine."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in store.pool_summaries(workload_ids):
        if row.best_secs is not None and row.conditions == DEFAULT_CONDITIONS:
            known = found[row.workload_id]
            known[row.target_id] = min(row.best_secs, known.get(row.target_id, math.inf))
    return found


def _between_targets(bests: Mapping[str, Mapping[str, float]], wanted: str, other: str) -> list[float]:
    return [math.log(one[wanted] / one[other]) for one in bests.values() if wanted in one and other in one]


def _between_workloads(
    rows: Sequence[WorkloadSummary], bests: Mapping[str, Mapping[str, float]], target_id: str, away: float
) -> list[float]:
    rates = [
        (row, math.log(bests[row.workload_id][target_id] / _work(row)))
        for row in rows
        if target_id in bests.get(row.workload_id, {})
    ]
    return [
        first - second
        for (one, first), (other, second) in combinations(rates, 2)
        if distance(one, other) <= max(away, _ALIKE)
    ]


def _work(sized: Sized) -> float:
    return math.prod(max(1, extent) for extent in sized.extents)
