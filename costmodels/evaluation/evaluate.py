"""Evaluates cost models on a store: which pools, which models, the accuracy gate, and the page to look at."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodels.compute import ALONE, Compute
from costmodels.dataset import Pool, not_among
from costmodels.evaluation.folds import SPLITS, work_of
from costmodels.evaluation.gate import Fall, falls, read_baseline, write_baseline
from costmodels.evaluation.networks import read_networks
from costmodels.evaluation.plan import Plan, plan_of
from costmodels.evaluation.report import write_report
from costmodels.evaluation.splits import Evaluation, Figure, Point, evaluate, learning_curve
from costmodels.features import FAMILIES, Family
from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.models import DEFAULT, KINDS, STOCK, makers
from costmodels.pools import Selection, read_pools
from tunedb.errors import NotFoundError, UsageError
from tunedb.program.targets import target_label
from tunedb.records import Target
from tunedb.store.contract import Store

_Makers = Mapping[str, Callable[[], CostModel]]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an evaluation stands."""

    step: str  # "features", "fits" or "learning curve"
    what: str  # whose features; which split and model
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What is evaluated, how, and what becomes of it. The default is what a person waits for, `WHOLE` is everything."""

    target: Target | None = None  # test on this one only; others of its kind are learned from
    splits: tuple[str, ...] = ("leave-operator-family-out",)
    models: tuple[str, ...] | None = (DEFAULT,)  # families, `STOCK` among them; None for all
    pooled: bool = True  # whether other targets' trials are learned from
    bundled: bool = True  # whether the trials that come with tunedb are learned from
    compiling: bool = False  # whether trials to be ranked are compiled, for models that read machine code
    networks: Path | None = None  # a document that says how often networks call workloads, for leave-network-out
    limit: int | None = 64  # at most so many trials of a workload, spread over the ranks of their latencies
    seed: int = 0  # of folds, models and bootstrap
    gate: Path | None = None  # a baseline file that the default model is compared with
    update_baseline: bool = False  # write that file instead
    report: Path | None = None  # an HTML file to be written


WHOLE = EvaluateOptions(splits=SPLITS, models=None, compiling=True, limit=None)
"""All models, the three splits, and all trials, compiled where that was not done before: hours on a large store."""


@dataclass(frozen=True, slots=True)
class StoreEvaluation:
    """How good cost models are on a store's workloads and targets."""

    figures: list[Figure]
    targets: list[Target]  # that were read
    default: str  # the model that the gate is about
    plans: list[Plan]  # what was done, for each kind of target
    falls: list[Fall]  # what is worse than the baseline allows


def evaluate_store(
    store: Store,
    options: EvaluateOptions,
    *,
    compute: Compute = ALONE,
    on_progress: Callable[[Progress], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> StoreEvaluation:
    """Fits models on some of a store's workloads and targets, and judges how they rank the candidates of others.

    Args:
        store: the store that has the trials.
        options: what is evaluated, how, and what becomes of it.
        compute: where models are fitted and features computed; its own progress is not called.
        on_progress: called from this thread now and then.
        on_plan: called when features are known and before anything is fitted, once for each kind of target.

    Raises:
        UsageError: there is no such model or split, or a baseline is to be written and no file is named.
        NotFoundError: there is no baseline, or the store has nothing to evaluate on, or nothing that a split may leave
            out.
        BadInputError: the baseline is none.
    """
    known = (*KINDS, STOCK)
    unknown = [name for name in options.models or () if name not in known]
    if unknown:
        raise UsageError(f"no model {unknown[0]!r}: there are {', '.join(known)}")
    if options.update_baseline and options.gate is None:
        raise UsageError("--update-baseline needs --gate FILE, the file to write")
    baseline = read_baseline(options.gate) if options.gate is not None and not options.update_baseline else None
    evaluation = _OfStore(store, options, compute, on_progress or (lambda _: None), on_plan or (lambda _: None))
    rankings, curve = evaluation.judged()
    figures = rankings.figures
    if options.report is not None:
        heading = f"tunedb evaluate, {store.url}"
        write_report(options.report, rankings, curve, default=evaluation.shown, heading=heading)
    if options.update_baseline and options.gate is not None:
        write_baseline(options.gate, figures, DEFAULT)
    fallen = [] if baseline is None else falls(baseline, figures)
    return StoreEvaluation(figures, evaluation.targets, DEFAULT, evaluation.plans, fallen)


class _OfStore:
    """One call of `evaluate_store`. Targets of each kind are evaluated by themselves, as their features differ."""

    def __init__(
        self,
        store: Store,
        options: EvaluateOptions,
        compute: Compute,
        on_progress: Callable[[Progress], None],
        on_plan: Callable[[Plan], None],
    ) -> None:
        self._store = store
        self._options = options
        self._compute = compute
        self._on_progress = on_progress
        self._on_plan = on_plan
        self._num_beyond = 0
        self._calls = None if options.networks is None else read_networks(options.networks)
        self.plans: list[Plan] = []
        only = options.target
        self.targets = [row for row in store.targets() if only is None or row.kind == only.kind]
        chosen = [name for name in KINDS if options.models is None or name in options.models]
        self._models = makers(chosen, compute)
        self._stock = makers([STOCK], compute) if options.models is None or STOCK in options.models else {}
        self.shown = DEFAULT if DEFAULT in chosen else (chosen or [STOCK])[0]

    def judged(self) -> tuple[Evaluation, list[Point]]:
        """Figures and predictions of all kinds of target, and the learning curve for the page."""
        parts: list[Evaluation] = []
        curve: list[Point] = []
        for kind in dict.fromkeys(target.kind for target in self.targets):
            part, points = self._of_kind(kind)
            parts += part
            curve = curve or points
        if not parts:
            raise NotFoundError("the store has no good trials whose features can be had")
        figures = [figure for part in parts for figure in part.figures]
        if not figures:
            splits = ", ".join(self._options.splits)
            raise NotFoundError(
                f"{splits}: what would be left out is all that there is to learn from; try another --split "
                "(leave-one-workload-out), or learn from other trials too (--pooled, --shipped)"
            )
        return Evaluation(figures, [ranking for part in parts for ranking in part.rankings]), curve

    def _of_kind(self, kind: str) -> tuple[list[Evaluation], list[Point]]:
        reads_code = self._options.compiling and any(KINDS[name].reads_code for name in self._models)
        pools = self._pools(kind, of_kind(kind).features, compiling=reads_code) if self._models else []
        stock = self._pools(kind, FAMILIES["per_store"]) if self._stock else []  # it has features of its own
        only = self._options.target
        tested = {pool.target_id for pool in pools or stock} if only is None else {only.target_id}
        if not any(pool.target_id in tested for pool in pools or stock):
            return [], []
        if self._options.bundled and self._models:
            pools += not_among(of_kind(kind).prior.pools, pools)
        self._tell_plan(pools, stock, tested)
        parts = [self._evaluated(pools, self._models, tested)]
        if self._stock:
            parts.append(self._evaluated(stock, self._stock, tested))
        curve: list[Point] = []
        if self._options.report is not None and self._models:
            curve = learning_curve(
                pools, self._models[self.shown], sorted(tested), seed=self._options.seed, on_progress=self._fits
            )
        return parts, curve

    def _tell_plan(self, pools: Sequence[Pool], stock: Sequence[Pool], tested: set[str]) -> None:
        options = self._options
        work = work_of(
            pools if self._models else stock,
            options.splits,
            target_ids=sorted(tested),
            pooled=options.pooled,
            seed=options.seed,
            calls=self._calls,
        )
        names = [*self._models, *self._stock]
        plan = plan_of(work, names, num_beyond=self._num_beyond, workers=self._compute.workers)
        self.plans.append(plan)
        self._on_plan(plan)

    def _pools(self, kind: str, family: Family, *, compiling: bool = False) -> list[Pool]:
        only = self._options.target
        found: list[Pool] = []
        num_beyond = 0
        for target in self.targets:
            if target.kind == kind:
                counting = dataclasses.replace(
                    self._compute, on_progress=functools.partial(self._tell, "features", target_label(target))
                )
                self._tell("features", target_label(target), 0, 0)
                is_compiled = compiling and (only is None or target == only)
                selection = Selection(limit=self._options.limit, family=family, compiling=is_compiled)
                reading = read_pools(self._store, target, selection, compute=counting)
                found += reading.pools
                num_beyond += reading.num_beyond if only is None or target == only else 0
        self._num_beyond = num_beyond
        return found

    def _evaluated(self, pools: Sequence[Pool], models: _Makers, tested: set[str]) -> Evaluation:
        return evaluate(
            pools,
            models,
            self._options.splits,
            target_ids=sorted(tested),
            pooled=self._options.pooled,
            seed=self._options.seed,
            calls=self._calls,
            on_progress=self._fits,
        )

    def _fits(self, done: int, total: int, what: str) -> None:
        self._tell("fits", what, done, total)

    def _tell(self, step: str, what: str, done: int, total: int) -> None:
        self._on_progress(Progress(step, what, done, total))
