"""What there is for each kind of target: features, a default and an untrained cost model, a bundled prior.

A new kind of target is a new row of `KINDS`. Who needs any of this asks `of_kind`; nobody else knows a kind's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodels.features import FAMILIES, Family
from costmodels.model import CostModel
from costmodels.models import DEFAULT
from costmodels.models.gpu_roofline import GpuRooflineModel
from costmodels.models.roofline import RooflineModel
from costmodels.models.xgboost import XGBoostModel
from costmodels.shipped import FOLDER, Prior


@dataclass(frozen=True)
class TargetKind:
    """A row of the table."""

    features: Family  # what models learn from, and searches describe candidates by
    code: Family | None  # what is known besides of candidates that are compiled
    model: str  # the family of models that is trained, of `costmodels.models.KINDS`
    untrained: type[CostModel] | None  # what predicts where nothing was learned
    prior: Prior  # what comes with tunedb


_LOOPS, _CODE = FAMILIES["loop_nest"], FAMILIES["machine_code"]
_STORES = FAMILIES["per_store"]  # which knows threads, blocks of them, and shared memory

KINDS: dict[str, TargetKind] = {
    "llvm": TargetKind(_LOOPS, _CODE, DEFAULT, RooflineModel, Prior(_LOOPS, _CODE, FOLDER)),
    "cuda": TargetKind(_STORES, None, XGBoostModel.kind, GpuRooflineModel, Prior(_STORES)),
}
_UNKNOWN = TargetKind(_LOOPS, _CODE, DEFAULT, None, Prior(_LOOPS, _CODE))


def of_kind(kind: str | None) -> TargetKind:
    """What there is for a kind of target, by TVM's name for it ("llvm"); the least of it for one that is not listed."""
    return KINDS.get(kind or "", _UNKNOWN)
