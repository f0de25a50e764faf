"""What the other modules of this package answer, as JSON documents. Keys are kept from release to release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from costmodels.evaluation.evaluate import StoreEvaluation
from costmodels.feature_report import FeatureReport
from costmodels.registry.manifest import Manifest, differences
from costmodels.registry.saved import SavedModel
from costmodels.training import TargetReport, TooFew, TrainReport
from tunedb.program.targets import target_label


def model_document(saved: SavedModel, promoted: Mapping[str, str]) -> dict[str, Any]:
    """A saved model: its manifest, where it is, and whether it is promoted.

    Args:
        saved: the model.
        promoted: names of promoted models by target id.
    """
    is_promoted = saved.manifest.name in promoted.values()
    manifest = {"optimized": None, **msgspec.to_builtins(saved.manifest)}
    return {**manifest, "directory": saved.location, "promoted": is_promoted}


def difference_document(first: Manifest, second: Manifest) -> dict[str, Any]:
    """The values in which two manifests differ."""
    return {
        "differences": [
            {"what": name, "first": left, "second": right} for name, left, right in differences(first, second)
        ]
    }


def train_document(report: TrainReport) -> dict[str, Any]:
    """What a training did, target by target."""
    return {
        "models": [_trained_document(row) for row in report.trained],
        "too_few": [_too_few_document(row) for row in report.too_few],
    }


def _trained_document(row: TargetReport) -> dict[str, Any]:
    manifest = row.manifest
    return {
        "target_id": row.target.target_id,
        "target": row.target.text,
        "model": manifest.name if row.location is not None else None,
        "directory": row.location,
        "trials": manifest.trained_on.num_trials,
        "workloads": manifest.trained_on.num_workloads,
        "others": manifest.trained_on.num_others,
        "is_new": row.is_new,
        "cached_features": row.num_cached,
        "skipped": row.skipped,
        "feature_secs": row.feature_secs,
        "fit_secs": row.fit_secs,
        "metrics": manifest.metrics,
        "split": manifest.split,
        "hyper_parameters": manifest.hyper_parameters,
        "optimized": None if manifest.optimized is None else msgspec.to_builtins(manifest.optimized),
    }


def _too_few_document(row: TooFew) -> dict[str, Any]:
    return {
        "target_id": row.target.target_id,
        "target": row.target.text,
        "trials": row.num_trials,
        "workloads": row.num_workloads,
        "skipped": row.skipped,
    }


def evaluation_document(done: StoreEvaluation) -> dict[str, Any]:
    """Every figure of an evaluation."""
    labels = {target.target_id: target_label(target) for target in done.targets}
    return {
        "model": done.default,
        "results": [
            {
                "split": row.split,
                "model": row.model,
                "target": labels[row.target_id],
                "target_id": row.target_id,
                "metric": row.metric,
                "workload": row.workload_id,
                "name": row.name or None,
                "value": row.value,
                "low": row.low,
                "high": row.high,
            }
            for row in done.figures
        ],
        "workloads": sum(plan.num_workloads for plan in done.plans),
        "trials": sum(plan.num_trials for plan in done.plans),
        "left_out": sum(plan.num_beyond for plan in done.plans),
        "falls": [str(fall) for fall in done.falls],
    }


def features_document(done: Sequence[FeatureReport]) -> dict[str, Any]:
    """What was computed for each target and family."""
    return {
        "features": [
            {
                "target_id": row.target.target_id,
                "target": row.target.text,
                "family": row.family,
                "version": row.version,
                "trials": row.num_trials,
                "cached": row.num_cached,
                "computed": row.num_computed,
                "skipped": row.causes,
                "secs": row.secs,
                "trials_per_second_per_core": row.per_second,
            }
            for row in done
        ]
    }
