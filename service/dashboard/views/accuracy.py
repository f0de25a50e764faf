"""Predictions beside measurements, and whether the deviations that a model tells are the ones that it has.

Only features that the store has already are used: nothing is replayed to draw a page.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import altair as alt
import numpy as np

from costmodels.kinds import of_kind
from costmodels.metrics import spearman
from costmodels.pools import features_of, spread
from costmodels.registry.choose import LoadedModel, load_model
from service.dashboard.digest import digest
from service.dashboard.marks import BLUE, GREY, ORANGE, WIDTH, legend_below, nothing, nothings, plot_of, rows_table
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import required, telling, workload_of
from tunedb.errors import ModelError
from tunedb.program.targets import target_label
from tunedb.records import Outcome, Target, Trial
from tunedb.store.contract import Store
from tunedb.units import count

_WORKLOADS, _OF_EACH = 40, 30
_LEAST = 3  # trials of a workload of which a rank correlation says something
_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_PREDICTED, _CALIBRATION = "Predicted against measured", "Calibration of the model's deviations"
_KINDS = ("measured after the training", "may have been learned from")


@dataclass(frozen=True, slots=True)
class Guess:
    """A trial and what the model believes of it; both relative to its workload's mean, in nats of latency."""

    workload: str
    trial: Trial
    measured: float
    predicted: float
    std: float
    is_new: bool  # measured after the model was trained

    @property
    def sigmas(self) -> float:
        """How many of its deviations the prediction is off."""
        return abs(self.predicted - self.measured) / self.std


@dataclass(frozen=True, slots=True)
class Guesses:
    """What a model believes of trials."""

    rows: tuple[Guess, ...]
    correlations: tuple[float, ...]  # of each workload on each machine: Spearman's
    num_without: int  # trials whose features the store has not
    num_beyond: int  # trials that were not asked for


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        UsageError: no target is named.
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    target = store.resolve_target(required(filters.target, "target"))
    try:
        loaded = load_model(store, target.target_id, kind=target.kind)
    except ModelError as error:
        loaded, why = None, f"The model cannot be loaded: {error}"
    else:
        why = f"There is no model for targets of the kind {target.kind}: `tunedb train` makes one."
    if loaded is None:
        return nothings(why, predicted=_PREDICTED, calibration=_CALIBRATION)
    found = guesses(store, target, loaded, filters)
    if not found.rows:
        why = (
            f"Of {target_label(target)}, the store has no features of any of {count(found.num_without, 'good trial')} "
            "that the model could be asked of; `tunedb features` and `tunedb train` compute them."
        )
        return nothings(why, predicted=_PREDICTED, calibration=_CALIBRATION)
    about = f"{target_label(target)}, by {loaded.describe()}"
    notes = ["Predictions are relative: each workload on each machine is set to its measured mean."]
    if found.num_without:
        notes.append(f"{count(found.num_without, 'trial')} left out whose features the store has not.")
    if found.num_beyond:
        notes.append(f"{count(found.num_beyond, 'trial')} beyond {_OF_EACH} of a workload left out, evenly by rank.")
    notes.append("Failed trials have no latency and are left out.")
    return [_predicted(about, found, tuple(notes)), _calibration(about, found, tuple(notes))]


def _most_measured(store: Store, target: Target) -> dict[str, str]:
    """Ids and names of the workloads that have the most trials for a target."""
    found = digest(store)
    counted: Counter[str] = Counter()
    for row in found.groups:
        if row.target_id == target.target_id:
            counted[row.workload_id] += row.num_trials
    named = found.names()
    return {workload_id: named.get(workload_id, workload_id) for workload_id, _ in counted.most_common(_WORKLOADS)}


def guesses(store: Store, target: Target, loaded: LoadedModel, filters: Filters) -> Guesses:
    """What a model believes of a target's trials, of which the store has features."""
    if filters.workload is not None:
        mine = workload_of(store, filters)
        names = {mine.workload_id: mine.name}
    else:
        names = _most_measured(store, target)
    family = of_kind(target.kind).features
    by_pool: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    num_beyond = 0
    for workload_id in names:
        good = [
            trial
            for trial in store.trials(workload_id, target.target_id, Outcome.OK, conditions="{}")
            if filters.since is None or (trial.measured_at is not None and trial.measured_at >= filters.since)
        ]
        of_machine: dict[str, list[Trial]] = defaultdict(list)
        for trial in good:
            of_machine[trial.hardware_id].append(trial)
        for trials in of_machine.values():
            kept = spread(trials, _OF_EACH)
            num_beyond += len(trials) - len(kept)
            by_pool[workload_id, trials[0].hardware_id] += kept
    wanted = [trial for trials in by_pool.values() for trial in trials]
    known = features_of(store, target, wanted, family, computing=False).rows if wanted else {}
    rows: list[Guess] = []
    correlations = []
    for (workload_id, _), trials in by_pool.items():
        usable = [trial for trial in trials if trial.trial_id in known]
        if not usable:
            continue
        logs = np.log([trial.run_secs_median for trial in usable])
        told = loaded.model.predict(np.stack([known[trial.trial_id] for trial in usable]))
        measured, predicted = logs - logs.mean(), told.mean - told.mean.mean()
        rows += [
            Guess(names[workload_id], trial, float(m), float(p), float(s), _is_new(trial, loaded))
            for trial, m, p, s in zip(usable, measured, predicted, told.std, strict=True)
        ]
        if len(usable) >= _LEAST:
            correlations.append(spearman(np.exp(logs.min() - logs), told.mean))
    defined = tuple(float(value) for value in correlations if not math.isnan(value))
    return Guesses(tuple(rows), defined, len(wanted) - len(rows), num_beyond)


def _is_new(trial: Trial, loaded: LoadedModel) -> bool:
    return trial.measured_at is not None and trial.measured_at > loaded.manifest.created_at


def _predicted(about: str, found: Guesses, notes: tuple[str, ...]) -> Panel:
    rows: list[dict[str, Any]] = [
        {
            "workload": one.workload,
            "record_id": one.trial.trial_id,
            "measured_over_mean": math.exp(one.measured),
            "predicted_over_mean": math.exp(one.predicted),
            "deviation_nats": one.std,
            "kind": _KINDS[not one.is_new],
        }
        for one in found.rows
    ]
    ends = [row[side] for row in rows for side in ("measured_over_mean", "predicted_over_mean")]
    low, high = min(ends) / 1.1, max(ends) * 1.1
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(tickCount=6, format="~g", grid=False)
    line = plot_of([{"at": low}, {"at": high}]).mark_line(color=GREY, strokeDash=[4, 3])
    dots = (
        plot_of(rows)
        .mark_point(filled=True, size=22, opacity=0.55)
        .encode(
            x=alt.X("measured_over_mean:Q", title="measured, over the workload's mean", scale=scale, axis=axis),
            y=alt.Y("predicted_over_mean:Q", title="predicted, over the same", scale=scale, axis=axis),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=list(_KINDS), range=[ORANGE, BLUE]), legend=legend_below()
            ),
            shape=alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(_KINDS), range=["square", "circle"])),
            tooltip=["workload:N", alt.Tooltip("measured_over_mean:Q", format=".3f"), "predicted_over_mean:Q"],
        )
    )
    chart = (line.encode(x=alt.X("at:Q"), y=alt.Y("at:Q")) + dots).properties(width=440, height=440)
    off = float(np.sqrt(np.mean([(one.predicted - one.measured) ** 2 for one in found.rows])))
    correlation = (
        f"rank correlation {np.mean(found.correlations):.3f} in the mean of {len(found.correlations)} workloads; "
    )
    new = sum(one.is_new for one in found.rows)
    summary = (
        f"{about}: {count(len(rows), 'trial')}, {correlation if found.correlations else ''}"
        f"predictions are off by {math.expm1(off):.0%} (root mean square). {new} were measured after the training."
    )
    return Panel("predicted", _PREDICTED, summary, rows_table(rows, list(rows[0])), chart, notes)


def _calibration(about: str, found: Guesses, notes: tuple[str, ...]) -> Panel:
    """How many measurements lie within what a model tells, against how many should."""
    groups = {"all": found.rows, "measured after the training": tuple(one for one in found.rows if one.is_new)}
    rows: list[dict[str, Any]] = []
    for kind, mine in groups.items():
        if len(mine) >= _LEAST and (kind == "all" or len(mine) < len(found.rows)):
            for level in _LEVELS:
                width = NormalDist().inv_cdf((1 + level) / 2)
                share = sum(one.sigmas <= width for one in mine) / len(mine)
                rows.append({"trials_of": kind, "told_share": level, "found_share": share, "trials": len(mine)})
    if not rows:
        return nothing("calibration", _CALIBRATION, f"{about}: fewer than {_LEAST} trials have features.")
    kinds = list(dict.fromkeys(row["trials_of"] for row in rows))
    span = alt.Scale(domain=[0, 1])
    line = plot_of([{"at": 0}, {"at": 1}]).mark_line(color=GREY, strokeDash=[4, 3])
    drawn = (
        plot_of(rows)
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=50), strokeWidth=2)
        .encode(
            x=alt.X("told_share:Q", title="share that should lie within", scale=span, axis=alt.Axis(format="%")),
            y=alt.Y("found_share:Q", title="share that does", scale=span, axis=alt.Axis(format="%")),
            color=alt.Color(
                "trials_of:N", title=None, scale=alt.Scale(domain=kinds, range=[BLUE, ORANGE]), legend=legend_below()
            ),
        )
    )
    chart = (line.encode(x=alt.X("at:Q"), y=alt.Y("at:Q")) + drawn).properties(width=WIDTH // 2 + 60, height=360)
    nine = next(row["found_share"] for row in rows if row["told_share"] == 0.9)
    words = "too narrow" if nine < 0.85 else "too wide" if nine > 0.95 else "about right"
    summary = (
        f"{about}: where 90% of measurements should lie within the model's interval, {nine:.0%} do: its deviations are "
        f"{words}. Above the line they are too wide, below too narrow."
    )
    return Panel("calibration", _CALIBRATION, summary, rows_table(rows, list(rows[0])), chart, notes)


VIEW = View(
    "accuracy", "Predicted against measured", "Models", ("target",), telling(build, "target", "workload", "since")
)
