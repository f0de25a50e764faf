"""What tuning and collecting did, as JSON documents: what `--json` prints and a service sends."""

from __future__ import annotations

import json
import math

from search.corpus.collect import CollectReport, Planned
from search.funnels import TaskFunnel, funnels_of
from search.report import TaskReport, TuneReport
from search.standing import Standing
from tunedb.documents.answers import Document, record
from tunedb.records import Target

_KEYS_OF_A_TASK = ("name", "workload_hash", "run_secs_median", "estimate_secs", "record_id", "trace")


def tuned(report: TuneReport) -> Document:
    """What a run found; the heaviest task's keys stand at the top as well, None where there is no task."""
    tasks = [
        {**_task(task, report.target), "funnel": _funnel(found)}
        for task, found in zip(report.tasks, funnels_of(report), strict=True)
    ]
    return {
        **dict.fromkeys(_KEYS_OF_A_TASK),
        **(tasks[0] if tasks else {}),
        "target": report.target.text,
        "target_id": report.target.target_id,
        "trials": report.trials,
        "failed": report.failed,
        "elapsed_secs": report.elapsed_secs,
        "strategy_secs": report.strategy_secs,
        "strategy": report.strategy,
        "seed": report.seed,
        "prior": report.prior,
        "drift": report.drift,
        "machine": None if report.machine is None else dict(report.machine),
        "interrupted": report.interrupted,
        "tasks": tasks,
        "network": None if report.standing is None else _network(report.standing),
        "left_out": [{"name": one.name, "reason": one.reason} for one in report.left_out],
    }


def _funnel(found: TaskFunnel) -> Document:
    return {name: getattr(found, name) for name in ("sampled", "refused", "valid", "built", "ran")}


def _network(standing: Standing) -> Document:
    return {
        "secs": standing.secs,
        "before_secs": standing.before_secs,
        "gain": standing.gain,
        "tasks": [
            {
                "name": task.name,
                "workload": task.workload,
                "calls": task.weight,
                "trials": task.trials,
                "is_measured": task.is_measured,
                "secs": task.secs,
                "before_secs": task.before_secs,
                "share": task.total_secs / standing.secs,
                "gain": task.gain,
                "flop_per_sec": task.flop_per_sec,
                "roof_share": task.roof_share,
            }
            for task in standing.tasks
        ],
    }


def _task(task: TaskReport, target: Target) -> Document:
    found: Document = {"run_secs_median": None, "conditions": None, "record_id": None, "trace": None}
    if task.best is not None:
        found = record(task.best, target)
    elif task.predicted is not None:
        found["trace"] = json.loads(task.predicted.to_json())
    return {
        "name": task.name,
        **found,
        "workload_hash": task.workload_hash,
        "estimate_secs": task.latency.secs if task.latency else None,
        "low_secs": task.latency.low_secs if task.latency else None,
        "high_secs": task.latency.high_secs if task.latency else None,
        "before_secs": task.before.secs if task.before else None,
        "trials": task.trials,
        "failed": task.failed,
        "passes": task.passes,
        "prior_rank_correlation": _number(task.trust.rank_correlation) if task.trust else None,
        "prior_weight": task.trust.weight if task.trust else None,
        "numbers_agree": task.numbers.agrees if task.numbers else None,
        "numbers_deviation": task.numbers.deviation if task.numbers else None,
    }


def planned(what: Planned, target: Target) -> Document:
    """What is left to be measured of a corpus."""
    return {
        "target": target.text,
        "left": sum(step.wanted for step in what.steps),
        "networks": what.networks,
        "steps": [
            {
                "name": step.task.name,
                "workload_hash": step.workload_id,
                "strategy": step.strategy,
                "wanted": step.wanted,
                "done": step.done,
            }
            for step in what.steps
        ],
    }


def collected(report: CollectReport, target: Target) -> Document:
    """What was measured of a corpus."""
    return {
        "target": target.text,
        "steps": report.steps,
        "measured": report.measured,
        "failed": report.failed,
        "skipped": report.skipped,
        "interrupted": report.interrupted,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value  # NaN has no JSON
