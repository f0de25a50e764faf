"""What an evaluation is about to do, and about how long it will take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from costmodels.evaluation.folds import Fold

# Seconds of a core, as a fit of a model takes them: whatever it learns from, and for a thousand trials more. Measured
# on the bundled trials; a machine may well be twice as fast or slow.
_FIT_SECS = {
    "two-stage": (13.0, 3.0),
    "lightgbm": (6.5, 1.5),
    "lambdarank": (12.0, 2.0),
    "xgboost": (3.0, 1.0),
    "stock-xgboost": (3.0, 1.0),
    "gaussian-process": (1.5, 0.0),
}
_PART_OF = {"lightgbm": "two-stage"}  # fitted on the way, and not again


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation that is about to begin."""

    num_targets: int  # that are tested on
    num_workloads: int
    num_trials: int  # that are ranked
    num_beyond: int  # trials of the same workloads that are left out, by the limit
    num_fits: int
    fit_secs: float  # how long those take, about


def plan_of(
    work: Sequence[tuple[str, str, Fold]], models: Iterable[str], *, num_beyond: int = 0, workers: int = 1
) -> Plan:
    """What lies before an evaluation.

    Args:
        work: from `costmodels.evaluation.folds.work_of`.
        models: names of what is fitted.
        num_beyond: trials that are left out.
        workers: threads that fit at a time.
    """
    names = list(models)
    fitted = [name for name in names if _PART_OF.get(name) not in names]
    core_secs = 0.0
    for _, _, fold in work:
        thousands = sum(map(len, (*fold.train, *fold.few))) / 1000
        for name in fitted:
            base, more = _FIT_SECS.get(name, (0.1, 0.05))
            core_secs += base + more * thousands
    pools = {(pool.target_id, pool.workload_id, pool.trial_ids[:1]): pool for *_, fold in work for pool in fold.test}
    return Plan(
        num_targets=len({target_id for target_id, *_ in pools}),
        num_workloads=len({workload_id for _, workload_id, _ in pools}),
        num_trials=sum(map(len, pools.values())),
        num_beyond=num_beyond,
        num_fits=len(work) * len(fitted),
        fit_secs=core_secs / max(1, workers),
    )
