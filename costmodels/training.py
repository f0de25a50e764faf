"""Training: from the store's good trials to a saved model per target.

A model learns from its target's trials and from those of other targets of its kind, the shipped ones among them: what
makes a schedule slow is much the same on all CPUs, and a column of the features says how wide vectors are. What a
model is worth is told by its held-out predictions for its own target.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from costmodels import metrics
from costmodels.dataset import Pool, dataset_of, not_among
from costmodels.model import CostModel
from costmodels.models import DEFAULT, models
from costmodels.pools import Reading, read_pools
from costmodels.registry.choose import newest_manifest
from costmodels.registry.manifest import TrainedOn, load_verified, save_model, store_folder
from costmodels.shipped import shipped_pools
from tunedb.errors import NotFoundError
from tunedb.records import Target
from tunedb.store.contract import Store

if TYPE_CHECKING:
    from costmodels.cluster import Cluster

_log = logging.getLogger(__name__)

_MIN_TRIALS = 64
_MIN_WORKLOADS = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands."""

    step: str  # "features" or "fit"
    target: Target
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was learned of one target."""

    target: Target
    num_trials: int
    num_workloads: int
    num_others: int  # trials of other targets that were learned from too
    num_cached: int  # trials whose features were there already
    skipped: dict[str, int]  # good trials left out, by cause
    feature_secs: float
    fit_secs: float
    metrics: dict[str, float]  # top1, top5, top16, pairwise, spearman: means over held-out pools of the target
    split: str  # how `metrics` were had
    model: CostModel
    directory: Path | None  # None when the model was not saved
    is_new: bool  # False when the newest model had learned from these very trials


@dataclass(frozen=True, slots=True)
class TooFew:
    """A target that has too little to learn from."""

    target: Target
    num_trials: int
    num_workloads: int
    skipped: dict[str, int]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What `train` did, target by target."""

    trained: tuple[TargetReport, ...]
    too_few: tuple[TooFew, ...]


def train(
    store: Store,
    *,
    target_id: str | None = None,
    exclude_workloads: Collection[str] = (),
    pooled: bool = True,
    shipped: bool = True,
    compiling: bool = False,
    seed: int = 0,
    workers: int = 1,
    cluster: Cluster | None = None,
    max_trials_per_workload: int | None = None,
    save: bool = True,
    again: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainReport:
    """Trains one model per target, of its own trials and of those of other targets of its kind.

    Args:
        store: where trials come from; models and features are kept in its folder when it has one.
        target_id: train for this target only; others of its kind are learned from nevertheless.
        exclude_workloads: workload ids that the models must not see, on any target.
        pooled: whether the store's trials of other targets are learned from too.
        shipped: whether the trials that tunedb ships with are learned from too.
        compiling: whether trials of the target are compiled to learn from their machine code too, at tenths of a
            second each. What is known of it already is learned from anyway.
        seed: of the models; the same store, seed and versions give the same model.
        workers: processes for features and threads for fitting.
        cluster: does both instead; the store must be one that its workers can open.
        max_trials_per_workload: at most so many, spread evenly over the ranks of their latencies.
        save: whether models are saved; they are not when the store has no folder on this machine.
        again: whether a target is trained for although the newest model has learned from these very trials.
        on_progress: called from this thread now and then.

    Raises:
        NotFoundError: the store does not have the target.
    """
    targets = store.targets()
    chosen = [t for t in targets if target_id is None or t.target_id == target_id]
    if target_id is not None and not chosen:
        raise NotFoundError(f"no target {target_id} in {store.url}")
    kinds = {target.kind for target in chosen}
    read = targets if pooled else chosen
    report_progress = on_progress or (lambda _: None)
    readings: dict[str, Reading] = {}
    secs: dict[str, float] = {}
    version = store.version()
    for target in (t for t in read if t.kind in kinds):
        started = time.perf_counter()
        readings[target.target_id] = read_pools(
            store,
            target,
            exclude_workloads=exclude_workloads,
            limit=max_trials_per_workload,
            compiling=compiling and target in chosen,
            workers=workers,
            cluster=cluster,
            on_progress=functools.partial(_tell, report_progress, target),
        )
        secs[target.target_id] = time.perf_counter() - started
    reports: list[TargetReport | TooFew] = []
    for target in chosen:
        own = readings[target.target_id]
        others = [
            pool
            for other in read
            if pooled and other.kind == target.kind and other.target_id != target.target_id
            for pool in readings[other.target_id].pools
        ]
        if shipped:
            apart = not_among(shipped_pools(target.kind), [*own.pools, *others])
            others += [pool for pool in apart if pool.workload_id not in exclude_workloads]
        reports.append(
            _train_target(
                store,
                version,
                target,
                own,
                others,
                feature_secs=secs[target.target_id],
                seed=seed,
                workers=workers,
                cluster=cluster,
                save=save and store_folder(store) is not None,
                again=again,
                on_progress=report_progress,
            )
        )
    return TrainReport(
        tuple(r for r in reports if isinstance(r, TargetReport)), tuple(r for r in reports if isinstance(r, TooFew))
    )


def _tell(on_progress: Callable[[Progress], None], target: Target, done: int, total: int) -> None:
    on_progress(Progress("features", target, done, total))


def _train_target(
    store: Store,
    version: str,
    target: Target,
    own: Reading,
    others: Sequence[Pool],
    *,
    feature_secs: float,
    seed: int,
    workers: int,
    cluster: Cluster | None,
    save: bool,
    again: bool,
    on_progress: Callable[[Progress], None],
) -> TargetReport | TooFew:
    num_own = sum(map(len, own.pools))
    pools = [*own.pools, *others]
    if not own.pools or sum(map(len, pools)) < _MIN_TRIALS or _num_workloads(pools) < _MIN_WORKLOADS:
        return TooFew(target, num_own, _num_workloads(own.pools), own.skipped)
    dataset = dataset_of(pools)
    num_workloads = _num_workloads(own.pools)
    num_compiled = int(dataset.is_compiled.sum())
    trained_on = TrainedOn.snapshot(target, version, dataset.trial_ids, num_own, num_workloads, num_compiled)

    if save and not again:
        newest = newest_manifest(store, target.target_id)
        if newest is not None and newest[1].learned_the_same(trained_on, seed):
            directory, manifest = newest
            model = load_verified(directory)[0]
            return TargetReport(
                target,
                num_own,
                num_workloads,
                len(dataset) - num_own,
                own.num_cached,
                own.skipped,
                feature_secs,
                0.0,
                manifest.metrics,
                manifest.split,
                model,
                directory,
                is_new=False,
            )

    started = time.perf_counter()
    on_progress(Progress("fit", target, 0, 1))
    model = models(workers, cluster)[DEFAULT]()
    held_out = model.fit(dataset, seed=seed)
    found = metrics.summary(dataset.scores[:num_own], held_out.mean[:num_own], dataset.groups[:num_own])
    split = "workloads held out, in folds"
    on_progress(Progress("fit", target, 1, 1))
    fit_secs = time.perf_counter() - started

    saved_in = None
    if save:
        saved_in = save_model(store, model, trained_on=trained_on, seed=seed, metrics=found, split=split)
        _log.info("saved %s", saved_in)
    return TargetReport(
        target,
        num_own,
        num_workloads,
        len(dataset) - num_own,
        own.num_cached,
        own.skipped,
        feature_secs,
        fit_secs,
        found,
        split,
        model,
        saved_in,
        is_new=True,
    )


def _num_workloads(pools: Iterable[Pool]) -> int:
    return len({pool.workload_id for pool in pools})
