"""Pools: what was measured of one workload on one target of one machine, with features, ready to be ranked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from costmodels.dataset import Pool, stacked
from costmodels.extraction.cache import FeatureCache
from costmodels.extraction.extract import Job, featurise
from costmodels.features import DEFAULT, FAMILIES, Family, trace
from costmodels.registry.manifest import store_folder
from costmodels.shipped import shipped_code
from tunedb.errors import NotFoundError
from tunedb.machine.hardware import anonymous_trial_id
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.metaschedule.replay import release
from tunedb.program.families import fused
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Target, Trial
from tunedb.store.contract import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Reading:
    """Pools of one target, and what became of its other trials."""

    pools: list[Pool]
    num_cached: int  # trials whose features were there already
    skipped: dict[str, int]  # good trials left out, by cause


def read_pools(
    store: Store,
    target: Target,
    *,
    exclude_workloads: Collection[str] = (),
    limit: int | None = None,
    family: Family = DEFAULT,
    compiling: bool = False,
    workers: int = 1,
    cluster: Cluster | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """The pools of a target, with features from the cache or from child processes.

    What was measured under other than default conditions is left out: pools never mix them.

    Args:
        store: where the trials are.
        target: whose.
        exclude_workloads: workload ids that are left out.
        limit: at most so many trials of a workload, spread evenly over the ranks of their latencies.
        family: which features.
        compiling: whether trials are compiled whose machine code nothing is known of yet, at tenths of a second each.
        workers: child processes at a time.
        cluster: computes features instead, where they are not cached.
        on_progress: called with trials featurised and trials in all.
    """
    excluded = frozenset(exclude_workloads) | WORKLOAD_IDS  # one schedule each: nothing to rank
    workloads = {row.workload_id: row for row in store.workloads()}
    by_pool: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in store.trials(target_id=target.target_id, outcome=Outcome.OK, conditions=DEFAULT_CONDITIONS):
        if trial.workload_id not in excluded and trial.run_secs_median > 0:
            by_pool[trial.workload_id, trial.hardware_id].append(trial)
    chosen = {key: spread(trials, limit) if limit else trials for key, trials in by_pool.items()}
    wanted = [trial for trials in chosen.values() for trial in trials]
    rows, causes, num_cached = features_of(
        store, target, wanted, family=family, workers=workers, cluster=cluster, on_progress=on_progress
    )
    code = _code_of(
        store,
        target,
        [trial for trial in wanted if trial.trial_id in rows],
        compiling=compiling,
        workers=workers,
        cluster=cluster,
        on_progress=on_progress,
    )
    pools = []
    for key in sorted(chosen):
        usable = sorted((t for t in chosen[key] if t.trial_id in rows), key=lambda trial: trial.trial_id)
        if len(usable) < 2:  # nothing to rank
            continue
        workload = workloads[key[0]]
        best = min(trial.run_secs_median for trial in by_pool[key])
        pools.append(
            Pool(
                key[0],
                workload.name,
                fused(workload.family, workload.epilogue),
                target.target_id,
                np.stack([rows[trial.trial_id] for trial in usable]),
                np.asarray([best / trial.run_secs_median for trial in usable]),
                tuple(trial.trial_id for trial in usable),
                tuple(anonymous_trial_id(trial) for trial in usable),
                best,
                code=stacked([code.get(trial.trial_id) for trial in usable]),
            )
        )
    return Reading(pools, num_cached, dict(Counter(causes.values()).most_common()))


def _code_of(
    store: Store,
    target: Target,
    trials: Sequence[Trial],
    *,
    compiling: bool,
    workers: int,
    cluster: Cluster | None,
    on_progress: Callable[[int, int], None] | None,
) -> Mapping[str, NDArray[np.float64]]:
    """Features of the machine code by trial id: what ships, what is in the cache, and, if wanted, the others'."""
    shipped = shipped_code(target.kind)
    known = {trial.trial_id: shipped.get(trial.trial_id, shipped.get(anonymous_trial_id(trial))) for trial in trials}
    found = {trial_id: row for trial_id, row in known.items() if row is not None}
    others, *_ = features_of(
        store,
        target,
        [trial for trial in trials if trial.trial_id not in found],
        family=FAMILIES["machine_code"],
        computing=compiling,
        workers=workers,
        cluster=cluster,
        on_progress=on_progress,
    )
    return {**others, **found}


def features_of(
    store: Store,
    target: Target,
    trials: Sequence[Trial],
    *,
    family: Family = DEFAULT,
    computing: bool = True,
    workers: int = 1,
    cluster: Cluster | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Mapping[str, NDArray[np.float64]], Mapping[str, str], int]:
    """Features of a target's trials, from the cache where they are in it.

    Args:
        store: where the trials are.
        target: whose.
        trials: of which.
        family: which features.
        computing: whether those are computed that are not known.
        workers: child processes at a time.
        cluster: computes features instead.
        on_progress: called with trials featurised and trials in all.

    Returns:
        Row [d] by trial id; cause by trial id for those that have none; how many were known.
    """
    if family is FAMILIES["trace"]:  # quicker than a cache would be
        return {trial.trial_id: trace.row(trial.trace) for trial in trials}, {}, 0
    folder = store_folder(store)
    cache = FeatureCache(folder, release(), family) if folder is not None else None
    rows, causes = cache.read([t.trial_id for t in trials]) if cache is not None else ({}, {})
    num_cached = len(rows)
    if not computing:
        return rows, causes, num_cached

    missing: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.trial_id not in rows and trial.trial_id not in causes:
            missing[trial.module_id].append(trial)
    jobs = []
    for module_id, of_module in missing.items():
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

    keep = cache.write if cache is not None else None
    if cluster is not None:
        new = cluster.featurise(store.url, jobs, on_progress=on_progress, on_rows=keep)
    else:
        new = featurise(jobs, workers=workers, on_progress=on_progress, on_rows=keep)
    return {**rows, **new.rows}, {**causes, **new.causes}, num_cached


def spread(trials: Iterable[Trial], limit: int) -> list[Trial]:
    """At most `limit` trials: the fastest, the slowest, and even steps of rank between them."""
    ranked = sorted(trials, key=lambda t: (t.run_secs_median, t.trial_id))
    ranks = np.linspace(0, len(ranked) - 1, min(limit, len(ranked))).round().astype(int)
    return [ranked[rank] for rank in ranks]
