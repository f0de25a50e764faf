"""What tuning runs saved by what was remembered, and where it harmed: warm runs beside cold ones.

A cold run starts from nothing: it says "none" of its prior. A warm run is compared with the cold one of its workload,
target, machine and conditions; of several with one of its strategy that made the most trials. How many trials the warm
run needed for what the cold one found in the end, within `TOLERANCE`, is what was saved. Which is faster after equally
many trials says whether what was remembered harmed; a smaller difference than two measurements' own says nothing.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.query.estimates import DRIFT_STD, DRIFT_WEIGHT, student_t
from tunedb.query.runs import tuning_runs
from tunedb.records import DEFAULT_CONDITIONS, Source, TrialGroup
from tunedb.store.contract import StoreReader

TOLERANCE = 0.03
HARM_RATIO = math.exp(student_t(2 * DRIFT_WEIGHT) * math.sqrt(2) * DRIFT_STD)
"""Two single measurements of one schedule differ by less than this ratio, nine times of ten."""
MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class RunOfTask:
    """What a run measured of one workload."""

    source: Source
    strategy: str
    is_cold: bool  # it began with nothing
    workload_id: str
    target_id: str
    hardware_id: str
    secs: tuple[float | None, ...]  # the median of each trial, in order; None for one that failed
    num_before: int  # trials of the workload for the target that the store had, which need not be made again

    @property
    def best_secs(self) -> float | None:
        """Of all its trials."""
        return min((one for one in self.secs if one is not None), default=None)

    def best_after(self, trials: int) -> float | None:
        """Of its first trials."""
        return min((one for one in self.secs[:trials] if one is not None), default=None)

    def trials_to(self, secs: float) -> int | None:
        """How many trials it took to be as fast; None where it never was."""
        return next((n for n, one in enumerate(self.secs, start=1) if one is not None and one <= secs), None)


@dataclass(frozen=True, slots=True)
class Saving:
    """A warm run beside a cold one."""

    warm: RunOfTask
    cold: RunOfTask
    aim_secs: float  # what the cold run found in the end, and the tolerance
    cold_trials: int
    warm_trials: int | None  # None: it never found as much
    ratio: float  # of the warm run's best to the cold one's after equally many trials; above 1 it is slower

    @property
    def saved(self) -> int | None:
        """Trials; below 0 they were spent. None where the warm run never found as much."""
        return None if self.warm_trials is None else self.cold_trials - self.warm_trials

    @property
    def is_harm(self) -> bool:
        """Whether the warm run is slower by more than noise."""
        return self.ratio > HARM_RATIO


def runs_of_tasks(
    store: StoreReader,
    *,
    workload_id: str | None = None,
    target_id: str | None = None,
    groups: Iterable[TrialGroup] | None = None,
) -> list[RunOfTask]:
    """What the newest `MOST_RUNS` runs measured of each workload under default conditions, oldest first.

    Args:
        store: the store that is asked.
        workload_id: only of this workload.
        target_id: only for this target.
        groups: what `store.trial_groups()` said, where somebody has asked already.
    """
    order = {row.source_id: place for place, row in enumerate(store.sources())}
    runs = {row.source_id: row for row in tuning_runs(store)[-MOST_RUNS:]}
    if not runs:
        return []
    where = f"conditions = '{DEFAULT_CONDITIONS}' AND workload_id NOT IN ({_listed(sorted(WORKLOAD_IDS))})"
    where += "" if workload_id is None else f" AND workload_id = {_listed([workload_id])}"
    where += "" if target_id is None else f" AND target_id = {_listed([target_id])}"
    rows = store.sql(
        f"""SELECT source_id, workload_id, target_id, hardware_id, list(position), list(secs_median)
        FROM trials WHERE {where} AND source_id IN ({_listed([*runs])}) GROUP BY ALL ORDER BY 1, 2, 3, 4"""
    ).rows
    counts: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in store.trial_groups() if groups is None else groups:
        if row.conditions == DEFAULT_CONDITIONS:
            counts[row.workload_id, row.target_id].append((order.get(row.source_id, 0), row.num_trials))
    found = []
    for source_id, workload, target, hardware_id, positions, secs in rows:
        detail = _detail(runs[source_id])
        before = sum(number for place, number in counts[workload, target] if place < order[source_id])
        strategy, is_cold = str(detail.get("strategy", "unknown")), _is_cold(str(detail.get("prior", "")))
        found.append(
            RunOfTask(
                runs[source_id],
                strategy,
                is_cold,
                workload,
                target,
                hardware_id,
                _in_order(positions, secs),
                0 if is_cold else before,
            )
        )
    return sorted(found, key=lambda one: (order[one.source.source_id], one.workload_id))


def savings(runs: Sequence[RunOfTask]) -> list[Saving]:
    """The warm runs that have a cold one to be compared with, those that harmed most first."""
    cold: dict[tuple[str, str, str], list[RunOfTask]] = defaultdict(list)
    for one in runs:
        if one.is_cold and one.best_secs is not None:
            cold[one.workload_id, one.target_id, one.hardware_id].append(one)
    found = []
    for warm in runs:
        others = cold[warm.workload_id, warm.target_id, warm.hardware_id]
        if warm.is_cold or warm.best_secs is None or not others:
            continue
        other = max(others, key=lambda one: (one.strategy == warm.strategy, len(one.secs), one.source.source_id))
        equal = min(len(warm.secs), len(other.secs))
        mine, its = warm.best_after(equal), other.best_after(equal)
        if mine is None or its is None or other.best_secs is None:
            continue
        aim = other.best_secs * (1 + TOLERANCE)
        found.append(Saving(warm, other, aim, other.trials_to(aim) or len(other.secs), warm.trials_to(aim), mine / its))
    return sorted(found, key=lambda one: (-one.ratio, one.warm.source.source_id, one.warm.workload_id))


def _in_order(positions: Sequence[int], secs: Sequence[float | None]) -> tuple[float | None, ...]:
    """Medians by position. DuckDB takes twice as long to sort so many short lists."""
    order = sorted(range(len(secs)), key=lambda place: (positions[place], secs[place] is None, secs[place] or 0.0))
    return tuple(secs[place] for place in order)


def _is_cold(prior: str) -> bool:
    """Whether a run says that it began with nothing; a store without a model still has trials to remember."""
    return prior.startswith("none") and "; the store has no" not in prior


def _detail(source: Source) -> dict[str, object]:
    try:
        found = json.loads(source.detail)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _listed(ids: Sequence[str]) -> str:
    return ", ".join("'" + one.replace("'", "''") + "'" for one in ids)
