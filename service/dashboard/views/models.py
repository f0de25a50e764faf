"""Cost models of a store: which learned from what, how accurate each was, and which one predicts."""

from __future__ import annotations

from typing import Any

import altair as alt

from costmodels.registry.choose import promoted, saved_models
from costmodels.registry.saved import SavedModel
from service.dashboard.marks import (
    GREY,
    MOST_NAMED,
    WIDTH,
    distinct,
    legend_below,
    nothing,
    nothings,
    palette,
    plot_of,
    rows_table,
    shapes,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import target_id_of, telling
from tunedb.identity import canonical_target
from tunedb.program.targets import target_label
from tunedb.store.contract import Store
from tunedb.units import count

_METRICS = {
    "spearman": "rank correlation",
    "pairwise": "pairs in order",
    "top1": "best of the first pick",
    "top5": "best of five picks",
}
_ACCURACY, _LINEAGE = "Accuracy of models over time", "Lineage of models"
_LISTED = 1_000


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        NotFoundError: the store has no such target.
        AmbiguousPrefixError: more than one is meant.
    """
    target_id = target_id_of(store, filters)
    found = [
        saved
        for saved in saved_models(store)
        if target_id in (None, saved.manifest.trained_on.target_id)
        and (filters.since is None or saved.manifest.created_at >= filters.since)
    ]
    if not found:
        why = "No model was trained in this store for what is asked: `tunedb train` makes one."
        return nothings(why, accuracy=_ACCURACY, lineage=_LINEAGE)
    found.sort(key=lambda saved: (saved.manifest.created_at, saved.manifest.name))
    labels = distinct({saved.manifest.trained_on.target_id: _label(saved) for saved in found})
    chosen = promoted(store)
    newest = {saved.manifest.trained_on.target_id: saved.manifest.name for saved in found}
    predicting = {key: chosen.get(key, name) for key, name in newest.items()}
    return [_accuracy(found, labels, predicting), _lineage(found, labels, chosen, predicting)]


def _label(saved: SavedModel) -> str:
    try:
        return target_label(canonical_target(saved.manifest.trained_on.target))
    except ValueError:  # a manifest may be anybody's
        return saved.manifest.trained_on.target_arch or saved.manifest.trained_on.target_kind


def _accuracy(found: list[SavedModel], labels: dict[str, str], predicting: dict[str, str]) -> Panel:
    targets = list(dict.fromkeys(labels[saved.manifest.trained_on.target_id] for saved in reversed(found)))
    shown = targets[:MOST_NAMED]
    rows: list[dict[str, Any]] = [
        {
            "target": labels[saved.manifest.trained_on.target_id],
            "model": saved.manifest.name,
            "kind": saved.manifest.kind,
            "created_at_utc": saved.manifest.created_at,
            "metric": said,
            "value": saved.manifest.metrics[metric],
            "split": saved.manifest.split,
            "predicts": predicting[saved.manifest.trained_on.target_id] == saved.manifest.name,
        }
        for saved in found
        for metric, said in _METRICS.items()
        if metric in saved.manifest.metrics
    ]
    drawn = [row for row in rows if row["target"] in shown]
    if not drawn:
        why = f"{count(len(found), 'model')} tell no accuracy: there were too few workloads to hold some out."
        return nothing("accuracy", _ACCURACY, why)
    x = alt.X(
        "created_at_utc:T",
        title="trained at (UTC)",
        scale=alt.Scale(type="utc", padding=12),
        axis=alt.Axis(tickCount=4),
    )
    lowest = min(row["value"] for row in drawn)
    color = alt.Color("target:N", title=None, sort=shown, scale=palette(shown), legend=legend_below(1))
    base = plot_of(drawn).encode(
        x=x,
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[max(0.0, lowest - 0.05), 1.0], nice=False)),
        color=color,
        tooltip=["target:N", "model:N", "metric:N", alt.Tooltip("value:Q", format=".4f"), "split:N"],
    )
    lines = base.mark_line(strokeWidth=1.5, opacity=0.7)
    dots = base.mark_point(size=70, opacity=1, strokeWidth=2).encode(
        shape=alt.Shape("target:N", title=None, sort=shown, scale=shapes(shown)),
        fillOpacity=alt.condition(alt.datum.predicts, alt.value(1), alt.value(0)),
        fill=color,
    )
    chart = (
        (lines + dots)
        .properties(width=WIDTH // 2 - 30, height=150)
        .facet(facet=alt.Facet("metric:N", title=None, sort=[*_METRICS.values()]), columns=2)
    )
    last = next(saved for saved in reversed(found) if saved.manifest.metrics)
    figures = ", ".join(
        f"{said} {last.manifest.metrics[key]:.3f}" for key, said in _METRICS.items() if key in last.manifest.metrics
    )
    split = last.manifest.split or "split unknown"
    summary = (
        f"{count(len(found), 'model')} of {count(len(targets), 'target')}. The newest, {last.manifest.name}: {figures} "
        f"({split})."
    )
    notes = ["A filled mark is the model that predicts now. Means over workloads; 1 is perfect."]
    if len(targets) > len(shown):
        notes.append(f"{count(len(targets) - len(shown), 'target')} with older models only left out of the plot.")
    return Panel("accuracy", _ACCURACY, summary, rows_table(rows[-_LISTED:], list(rows[0])), chart, tuple(notes))


def _lineage(
    found: list[SavedModel], labels: dict[str, str], chosen: dict[str, str], predicting: dict[str, str]
) -> Panel:
    before: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for saved in found:
        manifest, on = saved.manifest, saved.manifest.trained_on
        rows.append(
            {
                "target": labels[on.target_id],
                "model": manifest.name,
                "before_it": before.get(on.target_id),
                "kind": manifest.kind,
                "created_at_utc": manifest.created_at,
                "trials": on.num_trials,
                "workloads": on.num_workloads,
                "trials_of_other_targets": on.num_others,
                "compiled_trials": on.num_compiled,
                "features": manifest.feature_version,
                "tuned_in_evaluations": None if manifest.optimized is None else manifest.optimized.evaluations,
                "store_version": on.store_version,
                "trial_ids_sha256": on.trial_ids_sha256,
                "is_promoted": manifest.name in chosen.values(),
                "predicts": predicting[on.target_id] == manifest.name,
                **{metric: manifest.metrics.get(metric) for metric in _METRICS},
            }
        )
        before[on.target_id] = manifest.name
    shown = list(dict.fromkeys(row["target"] for row in reversed(rows)))[:MOST_NAMED]
    base = plot_of([row for row in rows if row["target"] in shown]).encode(
        x=alt.X(
            "created_at_utc:T",
            title="trained at (UTC)",
            scale=alt.Scale(type="utc", padding=12),
            axis=alt.Axis(tickCount=6),
        ),
        y=alt.Y("trials:Q", title="trials of the target learned from"),
        color=alt.Color("target:N", title=None, sort=shown, scale=palette(shown), legend=legend_below(1)),
        tooltip=["target:N", "model:N", "kind:N", "trials:Q", "workloads:Q", "trials_of_other_targets:Q"],
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        shape=alt.Shape("target:N", title=None, sort=shown, scale=shapes(shown))
    )
    marks = base.mark_text(dy=-12, color=GREY).encode(
        text=alt.condition(alt.datum.is_promoted, alt.value("promoted"), alt.value("")), color=alt.value(GREY)
    )
    chart = (base.mark_line(strokeWidth=1.5, opacity=0.7) + dots + marks).properties(width=WIDTH, height=220)
    last = rows[-1]
    number = sum(bool(row["is_promoted"]) for row in rows)
    summary = (
        f"{count(len(rows), 'model')}, {number} promoted. The newest is {last['model']}, a {last['kind']} model of "
        f"{last['trials']:,} trials of {last['workloads']} workloads and "
        f"{last['trials_of_other_targets']:,} trials of other targets."
    )
    notes = ["Of a target without a promoted model the newest predicts."]
    if len(rows) > _LISTED:
        notes.append(f"The table has the newest {_LISTED:,}.")
    return Panel("lineage", _LINEAGE, summary, rows_table(rows[-_LISTED:], list(rows[0])), chart, tuple(notes))


VIEW = View("models", "Models", "Models", (), telling(build, "target", "since"))
