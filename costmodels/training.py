"""Training: from the store's good trials to a saved model per target.

Features come from the cache or from child processes, a model is fitted per target, and what it is worth is told by
its held-out predictions.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from costmodels import metrics
from costmodels.dataset import best_secs, make_dataset
from costmodels.feature_cache import FeatureCache
from costmodels.featurise import Job, featurise
from costmodels.model import CostModel
from costmodels.models.lightgbm import LightGBMModel
from costmodels.registry import TrainedOn, save_model, store_folder
from tunedb.errors import NotFoundError
from tunedb.metaschedule import release
from tunedb.records import Outcome, Target, Trial
from tunedb.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    num_cached: int  # trials whose features were there already
    skipped: dict[str, int]  # good trials left out, by cause
    feature_secs: float
    fit_secs: float
    metrics: dict[str, float]  # top1, top5, top16, pairwise, spearman: means over held-out workloads
    split: str  # how `metrics` were had
    model: CostModel
    directory: Path | None  # None when the model was not saved


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
    seed: int = 0,
    workers: int = 1,
    max_trials_per_workload: int | None = None,
    save: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainReport:
    """Trains one model per target that has at least 64 good trials of two workloads.

    Args:
        store: where trials come from; models and features are kept in its folder when it has one.
        target_id: train this target only.
        exclude_workloads: workload ids that the models must not see.
        seed: of the models; the same store, seed and versions give the same model.
        workers: processes for features and threads for fitting.
        max_trials_per_workload: at most so many, spread evenly over the ranks of their latencies.
        save: whether models are saved; they are not when the store has no folder on this machine.
        on_progress: called from this thread now and then.

    Raises:
        NotFoundError: the store does not have the target.
    """
    targets = [t for t in store.targets() if target_id is None or t.target_id == target_id]
    if target_id is not None and not targets:
        raise NotFoundError(f"no target {target_id} in {store.url}")
    reports = [
        _train_target(
            store,
            target,
            exclude_workloads=frozenset(exclude_workloads),
            seed=seed,
            workers=workers,
            max_trials_per_workload=max_trials_per_workload,
            save=save and store_folder(store) is not None,
            on_progress=on_progress or (lambda _: None),
        )
        for target in targets
    ]
    return TrainReport(
        tuple(r for r in reports if isinstance(r, TargetReport)), tuple(r for r in reports if isinstance(r, TooFew))
    )


def _train_target(
    store: Store,
    target: Target,
    *,
    exclude_workloads: frozenset[str],
    seed: int,
    workers: int,
    max_trials_per_workload: int | None,
    save: bool,
    on_progress: Callable[[Progress], None],
) -> TargetReport | TooFew:
    version = store.version()
    good = [
        trial
        for trial in store.trials(target_id=target.target_id, outcome=Outcome.OK)
        if trial.workload_id not in exclude_workloads
    ]
    if not _is_enough(good):
        return TooFew(target, len(good), _num_workloads(good), {})
    best = best_secs(good)
    chosen = spread(good, max_trials_per_workload) if max_trials_per_workload else good

    started = time.perf_counter()
    rows, causes, num_cached = features_of(
        store,
        target,
        chosen,
        workers=workers,
        on_progress=lambda done, total: on_progress(Progress("features", target, done, total)),
    )
    feature_secs = time.perf_counter() - started
    skipped = dict(Counter(causes.values()).most_common())
    usable = [trial for trial in chosen if trial.trial_id in rows]
    if not _is_enough(usable):
        return TooFew(target, len(usable), _num_workloads(usable), skipped)

    started = time.perf_counter()
    on_progress(Progress("fit", target, 0, 1))
    dataset = make_dataset(usable, rows, best)
    model = LightGBMModel(workers=workers)
    held_out = model.fit(dataset, seed=seed)
    found = metrics.summary(dataset.scores, held_out.mean, dataset.groups)
    split = "workloads held out, in folds"
    on_progress(Progress("fit", target, 1, 1))
    fit_secs = time.perf_counter() - started

    directory = None
    if save:
        trained_on = TrainedOn.snapshot(target, version, dataset.trial_ids, dataset.workload_ids)
        directory = save_model(store, model, trained_on=trained_on, seed=seed, metrics=found, split=split)
        _log.info("saved %s", directory)
    return TargetReport(
        target,
        len(dataset),
        len(dataset.workload_ids),
        num_cached,
        skipped,
        feature_secs,
        fit_secs,
        found,
        split,
        model,
        directory,
    )


def features_of(
    store: Store,
    target: Target,
    trials: Sequence[Trial],
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Mapping[str, NDArray[np.float64]], Mapping[str, str], int]:
    """Features of a target's trials, from the cache where they are in it.

    Returns:
        Row [d] by trial id; cause by trial id for those that have none; how many were in the cache.
    """
    folder = store_folder(store)
    cache = FeatureCache(folder, release()) if folder is not None else None
    rows, causes = cache.read([t.trial_id for t in trials]) if cache is not None else ({}, {})
    num_cached = len(rows)

    missing: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.trial_id not in rows and trial.trial_id not in causes:
            missing[trial.module_id].append(trial)
    jobs = []
    for module_id, of_module in missing.items():
        try:
            workload = store.module(module_id)
        except NotFoundError:
            causes.update((trial.trial_id, "the log had no module") for trial in of_module)
            continue
        if workload.tvm_version != release():
            cause = f"written by TVM {workload.tvm_version or '?'}, this is {release()}"
            causes.update((trial.trial_id, cause) for trial in of_module)
            continue
        jobs.append(Job(workload, target, of_module))

    new = featurise(jobs, workers=workers, on_progress=on_progress)
    if cache is not None:
        # A crash may have been the machine's (memory, a kill); it is tried again another time.
        cache.write(new.rows, {i: cause for i, cause in new.causes.items() if i not in new.crashed})
    return {**rows, **new.rows}, {**causes, **new.causes}, num_cached


def spread(trials: Iterable[Trial], limit: int) -> list[Trial]:
    """At most `limit` trials of each workload: its fastest, its slowest, and even steps of rank between them."""
    by_workload: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_workload[trial.workload_id].append(trial)
    chosen = []
    for of_workload in by_workload.values():
        ranked = sorted(of_workload, key=lambda t: (t.run_secs_median, t.trial_id))
        ranks = np.linspace(0, len(ranked) - 1, min(limit, len(ranked))).round().astype(int)
        chosen += [ranked[rank] for rank in ranks]
    return chosen


def _num_workloads(trials: Iterable[Trial]) -> int:
    return len({trial.workload_id for trial in trials})


def _is_enough(trials: Sequence[Trial]) -> bool:
    return len(trials) >= _MIN_TRIALS and _num_workloads(trials) >= _MIN_WORKLOADS
