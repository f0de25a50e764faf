"""What a search starts from: a cost model, and what the store and the bundled prior know of the workloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from search.bo.surrogate import unlearned
from search.bo.warm_start import History, recall
from search.measure.cross.architecture import architecture_of
from tunedb.metaschedule.target_check import cpu_is_of
from tunedb.records import DEFAULT_CONDITIONS, Target, Workload
from tunedb.store.contract import Store


@dataclass(frozen=True, slots=True)
class Prior:
    """What a search starts from."""

    model: CostModel | None
    text: str  # for people, and for the run's source
    recall: Callable[[Workload], History] | None  # what is known of a workload; None: nothing is asked


def prior_of(
    store: Store,
    target: Target,
    *,
    use_prior: bool = True,
    model: CostModel | None = None,
    conditions: str = DEFAULT_CONDITIONS,
    transfers: bool = True,
) -> Prior:
    """What a search of a store starts from.

    Args:
        store: The store that is asked for a cost model and for trials.
        target: The target that is tuned for.
        use_prior: False starts cold: without a cost model that has learned anything, and without what the store knows.
        model: The cost model to take instead of the store's; then the bundled schedules are left out too.
        conditions: The conditions that will be measured under.
        transfers: Whether a model that has learned from another architecture will do. Where nothing is measured that
            would correct it, an untrained one takes its place.

    Returns:
        The prior.
    """
    bundled = of_kind(target.kind).prior.schedules if use_prior and model is None else ()
    remembered = partial(recall, store, target=target, shipped=bundled, conditions=conditions)
    if model is not None:
        return Prior(model, "given", remembered if use_prior else None)
    untrained = unlearned(target.kind)
    in_its_place = "none" if untrained is None else f"none that has learned: a {untrained.kind} model"
    if not use_prior:
        return Prior(untrained, in_its_place, None)
    from costmodels.registry.choose import load_model

    loaded = load_model(store, target.target_id, kind=target.kind)
    if loaded is None:
        text = f"{in_its_place}; the store has no cost model for this kind of target (see 'tunedb train')"
        return Prior(untrained, text, remembered)
    if not transfers and untrained is not None and not _is_of_its_architecture(loaded.trained_on.target_arch, target):
        text = f"{in_its_place}; no model has learned from {architecture_of(target)}"
        return Prior(untrained, text, remembered)
    return Prior(loaded.model, loaded.describe(), remembered)


def _is_of_its_architecture(arch: str, target: Target) -> bool:
    """Whether a CPU is of a target's architecture, as far as LLVM knows it.

    Args:
        arch: What a target calls its CPU: its mcpu, or its triple.
        target: The other target.
    """
    return arch == target.arch or cpu_is_of(arch, json.loads(target.text).get("mtriple"))
