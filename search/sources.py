"""The source of a run's trials: what it was asked for, and where and how it began."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from search.caches import Caches
from search.options import WITHOUT_END
from search.resuming import with_errand
from tunedb import identity
from tunedb.records import Source

if TYPE_CHECKING:
    from search.measure.surroundings import Surroundings


def source_of(
    strategy: str,
    seed: int,
    prior: str,
    caches: Caches = Caches.HOT,
    errand: str = "",
    workloads: Sequence[tuple[str, float]] = (),
    here: Surroundings | None = None,
    trials: int = 0,
    limit_secs: float | None = None,
) -> Source:
    """A new source for the trials of a run; of a network it says how often each of its workloads is called, of this
    machine how it was when the run began, and of the run how many trials and seconds it may take.
    """
    import tvm

    detail: dict[str, object] = {
        "prior": prior,
        "seed": seed,
        "strategy": strategy,
        "tvm_version": str(tvm.__version__),
    }
    if caches is not Caches.HOT:
        detail["caches"] = caches.value
    if len(workloads) > 1:
        weights: dict[str, float] = {}
        for workload_id, weight in workloads:
            weights[workload_id] = weights.get(workload_id, 0.0) + weight
        detail["weights"] = weights
    if 0 < trials < WITHOUT_END:
        detail["trials"] = trials
    if limit_secs is not None:
        detail["limit_secs"] = limit_secs
    if here is not None:
        detail["machine"] = here.detail()
    if errand:
        detail = with_errand(detail, errand)
    made = identity.source(f"tune:{secrets.token_hex(8)}", "tune", detail)
    return dataclasses.replace(made, added_at=datetime.now(UTC))
