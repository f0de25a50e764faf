"""Pools: what was measured of one workload on one target of one machine, with features, ready to be ranked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from costmodels.compute import ALONE, Compute
from costmodels.dataset import Pool, stacked
from costmodels.extraction.cache import FeatureCache
from costmodels.extraction.extract import Job
from costmodels.features import Family, Needs
from costmodels.kinds import of_kind
from tunedb.errors import NotFoundError
from tunedb.machine.hardware import anonymous_trial_id
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.metaschedule.replay import release
from tunedb.program.families import fused
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Target, Trial
from tunedb.store.contract import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a target's good trials are read, and what of them."""

    exclude_workloads: frozenset[str] = frozenset()  # ids
    limit: int | None = None  # at most so many trials of a workload, spread evenly over the ranks of their latencies
    family: Family | None = None  # which features; None for those of the target's kind
    conditions: str = DEFAULT_CONDITIONS  # that trials were measured under: what is learned from is never mixed
    compiling: bool = False  # whether trials are compiled whose machine code is not known, at tenths of a second each


@dataclass(frozen=True, slots=True)
class Features:
    """Features of trials, and why some have none."""

    rows: Mapping[str, NDArray[np.float64]]  # [d] by trial id
    causes: Mapping[str, str] = field(default_factory=dict)  # by trial id, of those that have none
    num_cached: int = 0  # how many were known


@dataclass(frozen=True, slots=True)
class Reading:
    """Pools of one target, and what became of its other trials."""

    pools: list[Pool]
    num_cached: int  # trials whose features were there already
    skipped: dict[str, int]  # good trials left out, by cause
    num_beyond: int = 0  # good trials left out, because there were more of a workload than the selection's limit


EVERYTHING = Selection()


def read_pools(store: Store, target: Target, selection: Selection = EVERYTHING, *, compute: Compute = ALONE) -> Reading:
    """The pools of a target, with features from the store's files or computed.

    Args:
        store: the store that has the trials.
        target: the target whose trials are read.
        selection: the trials that are taken, and what is read of them.
        compute: where features are computed that are not known yet; its progress counts trials featurised.
    """
    excluded = selection.exclude_workloads | WORKLOAD_IDS  # the latter have one schedule each: nothing to rank
    workloads = {row.workload_id: row for row in store.workloads()}
    by_pool: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in store.trials(target_id=target.target_id, outcome=Outcome.OK, conditions=selection.conditions):
        if trial.workload_id not in excluded and trial.run_secs_median > 0:
            by_pool[trial.workload_id, trial.hardware_id].append(trial)
    limit = selection.limit
    chosen = {key: spread(trials, limit) if limit else trials for key, trials in by_pool.items()}
    wanted = [trial for trials in chosen.values() for trial in trials]
    family = selection.family or of_kind(target.kind).features
    found = features_of(store, target, wanted, family, compute=compute)
    rows = found.rows
    usable_trials = [trial for trial in wanted if trial.trial_id in rows]
    code = _code_of(store, target, usable_trials, compiling=selection.compiling, compute=compute)
    pools = []
    for key in sorted(chosen):
        usable = sorted((t for t in chosen[key] if t.trial_id in rows), key=lambda trial: trial.trial_id)
        if len(usable) < 2:  # nothing to rank
            continue
        best = min(trial.run_secs_median for trial in by_pool[key])
        pools.append(
            Pool(
                key[0],
                workloads[key[0]].name,
                fused(workloads[key[0]].family, workloads[key[0]].epilogue),
                target.target_id,
                np.stack([rows[trial.trial_id] for trial in usable]),
                np.asarray([best / trial.run_secs_median for trial in usable]),
                tuple(trial.trial_id for trial in usable),
                tuple(anonymous_trial_id(trial) for trial in usable),
                best,
                code=stacked([code.get(trial.trial_id) for trial in usable]),
            )
        )
    num_beyond = sum(len(trials) for trials in by_pool.values()) - len(wanted)
    return Reading(pools, found.num_cached, dict(Counter(found.causes.values()).most_common()), num_beyond)


def _code_of(
    store: Store, target: Target, trials: Sequence[Trial], *, compiling: bool, compute: Compute
) -> Mapping[str, NDArray[np.float64]]:
    """Features of the machine code by trial id: what is bundled, what is cached, and, if wanted, the others'."""
    kind = of_kind(target.kind)
    if kind.code is None:
        return {}
    bundled = kind.prior.code_rows
    known = {trial.trial_id: bundled.get(trial.trial_id, bundled.get(anonymous_trial_id(trial))) for trial in trials}
    found = {trial_id: row for trial_id, row in known.items() if row is not None}
    rest = [trial for trial in trials if trial.trial_id not in found]
    return {**features_of(store, target, rest, kind.code, computing=compiling, compute=compute).rows, **found}


def features_of(
    store: Store,
    target: Target,
    trials: Sequence[Trial],
    family: Family,
    *,
    computing: bool = True,
    compute: Compute = ALONE,
) -> Features:
    """Features of a target's trials, from the store's files where they are among them.

    Args:
        store: the store that has the trials.
        target: the target of the trials.
        trials: the trials.
        family: the family of features.
        computing: whether those are computed that are not known.
        compute: where those are computed.
    """
    if family.NEEDS is Needs.TRACE:  # quicker than reading them would be
        table = family.extract([trial.trace for trial in trials], None)
        good = {trial.trial_id: row for trial, row in zip(trials, table, strict=True) if not np.isnan(row[0])}
        return Features(good, {trial.trial_id: "not a trace" for trial in trials if trial.trial_id not in good})
    cache = FeatureCache(store.artifacts, release(), family)
    rows, causes = cache.read([trial.trial_id for trial in trials])
    if not computing:
        return Features(rows, causes, len(rows))
    missing = [trial for trial in trials if trial.trial_id not in rows and trial.trial_id not in causes]
    jobs, without_module = _jobs(store, target, missing, family)
    new = compute.featurise(store.url, jobs, on_rows=cache.write)
    return Features({**rows, **new.rows}, {**causes, **without_module, **new.causes}, len(rows))


def _jobs(store: Store, target: Target, trials: Sequence[Trial], family: Family) -> tuple[list[Job], dict[str, str]]:
    """Trials by the module that they were recorded with, and causes by id for those of which this TVM has none."""
    by_module: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_module[trial.module_id].append(trial)
    jobs: list[Job] = []
    causes: dict[str, str] = {}
    for module_id, of_module in by_module.items():
        try:
            module = store.module(module_id)
        except NotFoundError:
            causes.update((trial.trial_id, "the log had no module") for trial in of_module)
            continue
        if module.tvm_version != release():
            cause = f"written by TVM {module.tvm_version or '?'}, this is {release()}"
            causes.update((trial.trial_id, cause) for trial in of_module)
            continue
        jobs.append(Job(module, target, of_module, family.FEATURE_VERSION))
    return jobs, causes


def spread(trials: Iterable[Trial], limit: int) -> list[Trial]:
    """At most `limit` trials: the fastest, the slowest, and even steps of rank between them."""
    ranked = sorted(trials, key=lambda t: (t.run_secs_median, t.trial_id))
    ranks = np.linspace(0, len(ranked) - 1, min(limit, len(ranked))).round().astype(int)
    return [ranked[rank] for rank in ranks]
