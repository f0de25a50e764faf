"""Training: from the store's good trials to a saved model per target.

A model learns from its target's trials and from those of other targets of its kind, the bundled ones among them: what
makes a schedule slow is much the same on all CPUs, and a column of the features gives the width of vectors. What a
model is worth is measured by its held-out predictions for its target.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from costmodels import metrics
from costmodels.compute import ALONE, Compute
from costmodels.dataset import Dataset, Pool, dataset_of, not_among
from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.models import make
from costmodels.optimize import OBJECTIVE, Evaluation, Optimum, optimize
from costmodels.pools import Reading, Selection, read_pools
from costmodels.registry.choose import newest_model
from costmodels.registry.manifest import Manifest, Optimized, TrainedOn, packed
from costmodels.registry.saved import load_saved, write_model
from tunedb.errors import ModelError, NotFoundError
from tunedb.records import Target
from tunedb.store.contract import Store

_log = logging.getLogger(__name__)

SPLIT = "workloads held out, in folds"
_MIN_TRIALS = 64
_MIN_WORKLOADS = 2


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What is learned from, how, and what becomes of it."""

    exclude_workloads: frozenset[str] = frozenset()  # ids that the models must not see, on any target
    max_trials_per_workload: int | None = None  # spread evenly over the ranks of their latencies
    pooled: bool = True  # whether the store's trials of other targets are learned from too
    bundled: bool = True  # whether the trials that come with tunedb are learned from too
    compiling: bool = False  # whether trials of the target are compiled to learn from their machine code, at tenths of
    # a second each; what is known of it already is learned from anyway
    optimize: int | None = None  # so many configurations are tried to choose hyper-parameters; None keeps the default
    seed: int = 0  # of the models; the same store, seed and versions give the same model
    save: bool = True  # whether models are kept in the store
    again: bool = False  # whether a target is trained for although the newest model has learned from these very trials


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands."""

    step: str  # "features", "optimize" or "fit"
    target: Target
    done: int
    total: int
    evaluation: Evaluation | None = None  # the configuration that was tried, where the step is "optimize"


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was learned of one target; the manifest has from what, how and how well."""

    target: Target
    num_cached: int  # trials whose features were there already
    skipped: dict[str, int]  # good trials left out, by cause
    feature_secs: float
    fit_secs: float  # with the choice of hyper-parameters
    model: CostModel
    manifest: Manifest
    location: str | None  # the model's folder, for people; None when it was not saved
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


DEFAULTS = TrainOptions()


def train(
    store: Store,
    target_id: str | None = None,
    options: TrainOptions = DEFAULTS,
    *,
    compute: Compute = ALONE,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainReport:
    """Trains one model per target, of its own trials and of those of other targets of its kind.

    Args:
        store: the store that has the trials; models and features are kept among its files.
        target_id: train for this target only; others of its kind are learned from nevertheless.
        options: what is learned from, how, and what becomes of it.
        compute: where features are computed and models fitted; a cluster's workers must be able to open the store. Its
            own progress is not called.
        on_progress: called from this thread now and then.

    Raises:
        NotFoundError: the store does not have the target.
        StoreError: the model cannot be saved.
    """
    targets = store.targets()
    chosen = [t for t in targets if target_id is None or t.target_id == target_id]
    if target_id is not None and not chosen:
        raise NotFoundError(f"no target {target_id} in {store.url}")
    return _Training(store, options, compute, on_progress or (lambda _: None)).of(targets, chosen)


class _Training:
    """One call of `train`."""

    def __init__(
        self, store: Store, options: TrainOptions, compute: Compute, on_progress: Callable[[Progress], None]
    ) -> None:
        self._store = store
        self._options = options
        self._compute = compute
        self._on_progress = on_progress
        self._version = store.version()

    def of(self, targets: Sequence[Target], chosen: Sequence[Target]) -> TrainReport:
        """Reads what is known of all targets that are learned from, then trains for the chosen ones."""
        kinds = {target.kind for target in chosen}
        read = [target for target in (targets if self._options.pooled else chosen) if target.kind in kinds]
        readings = {target.target_id: self._read(target, compiling=target in chosen) for target in read}
        reports: list[TargetReport | TooFew] = []
        for target in chosen:
            own, secs = readings[target.target_id]
            others = [
                pool
                for other in read
                if other.kind == target.kind and other.target_id != target.target_id
                if self._options.pooled
                for pool in readings[other.target_id][0].pools
            ]
            reports.append(self._train(target, own, self._with_bundled(target, own.pools, others), secs))
        return TrainReport(
            tuple(r for r in reports if isinstance(r, TargetReport)), tuple(r for r in reports if isinstance(r, TooFew))
        )

    def _read(self, target: Target, *, compiling: bool) -> tuple[Reading, float]:
        """The pools of a target, and how many seconds that took."""
        started = time.perf_counter()
        selection = Selection(
            exclude_workloads=self._options.exclude_workloads,
            limit=self._options.max_trials_per_workload,
            compiling=self._options.compiling and compiling,
        )
        counting = dataclasses.replace(self._compute, on_progress=functools.partial(self._tell, "features", target))
        reading = read_pools(self._store, target, selection, compute=counting)
        return reading, time.perf_counter() - started

    def _with_bundled(self, target: Target, own: Sequence[Pool], others: list[Pool]) -> list[Pool]:
        """The pools of other targets, and those bundled ones that are not among any of the store's."""
        if not self._options.bundled:
            return others
        apart = not_among(of_kind(target.kind).prior.pools, [*own, *others])
        return others + [pool for pool in apart if pool.workload_id not in self._options.exclude_workloads]

    def _train(
        self, target: Target, own: Reading, others: Sequence[Pool], feature_secs: float
    ) -> TargetReport | TooFew:
        num_own, num_workloads = sum(map(len, own.pools)), _num_workloads(own.pools)
        pools = [*own.pools, *others]
        if not own.pools or sum(map(len, pools)) < _MIN_TRIALS or _num_workloads(pools) < _MIN_WORKLOADS:
            return TooFew(target, num_own, num_workloads, own.skipped)
        dataset = dataset_of(pools)
        trained_on = TrainedOn.snapshot(
            target, self._version, dataset.trial_ids, num_own, num_workloads, int(dataset.is_compiled.sum())
        )
        known = self._known(trained_on)
        started = time.perf_counter()
        model, manifest, location = known or self._fit(target, dataset, trained_on)
        return TargetReport(
            target,
            own.num_cached,
            own.skipped,
            feature_secs,
            0.0 if known else time.perf_counter() - started,
            model,
            manifest,
            location,
            is_new=known is None,
        )

    def _known(self, trained_on: TrainedOn) -> tuple[CostModel, Manifest, str | None] | None:
        """The newest model of the target, if it has learned from these very trials."""
        options = self._options
        if options.again or not options.save:
            return None
        newest = newest_model(self._store, trained_on.target_id)
        kind = of_kind(trained_on.target_kind).model
        if newest is None or not newest.manifest.is_repeated_by(kind, trained_on, options.seed, options.optimize):
            return None
        try:
            return load_saved(self._store, newest), newest.manifest, newest.location
        except ModelError as error:
            _log.warning("%s; training again", error)
            return None

    def _fit(self, target: Target, dataset: Dataset, trained_on: TrainedOn) -> tuple[CostModel, Manifest, str | None]:
        options, kind = self._options, of_kind(target.kind).model
        optimum = self._optimum(target, kind, dataset, trained_on.num_trials)
        self._tell("fit", target, 0, 1)
        model = make(kind, optimum.hyper_parameters if optimum else None, self._compute)
        held_out = model.fit(dataset, seed=options.seed)
        rows = slice(trained_on.num_trials)  # the target's own come first
        manifest, files = packed(
            model,
            trained_on=trained_on,
            seed=options.seed,
            created_at=datetime.now(UTC),
            metrics=metrics.summary(dataset.scores[rows], held_out.mean[rows], dataset.groups[rows]),
            split=SPLIT,
            optimized=_optimized(optimum, options.seed),
        )
        self._tell("fit", target, 1, 1)
        if not options.save:
            return model, manifest, None
        saved = write_model(self._store, manifest, files)
        _log.info("saved %s", saved.location)
        return model, manifest, saved.location

    def _optimum(self, target: Target, kind: str, dataset: Dataset, num_own: int) -> Optimum | None:
        """The hyper-parameters that are best for the target's own workloads; None if none are to be chosen."""
        total = self._options.optimize
        if total is None:
            return None

        def tell(evaluation: Evaluation) -> None:
            self._on_progress(Progress("optimize", target, evaluation.number, total, evaluation))

        self._tell("optimize", target, 0, total)
        return optimize(
            kind,
            dataset,
            total,
            judged=num_own,
            seed=self._options.seed,
            compute=self._compute,
            on_evaluation=tell,
        )

    def _tell(self, step: str, target: Target, done: int, total: int) -> None:
        self._on_progress(Progress(step, target, done, total))


def _optimized(optimum: Optimum | None, seed: int) -> Optimized | None:
    """An optimum as manifests have it."""
    if optimum is None:
        return None
    return Optimized(optimum.evaluations, seed, OBJECTIVE, optimum.value, optimum.default_value)


def _num_workloads(pools: Iterable[Pool]) -> int:
    return len({pool.workload_id for pool in pools})
