"""Families of cost models, by name. Libraries are imported when a model is fitted or loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from costmodels.compute import ALONE, Compute
from costmodels.model import CostModel, HyperParameters
from costmodels.models.gaussian_process import GaussianProcessModel
from costmodels.models.lambdarank import LambdaRankModel
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.ridge import RidgeModel
from costmodels.models.roofline import RooflineModel
from costmodels.models.two_stage import TwoStageModel
from costmodels.models.untrained import FlopModel, RandomModel
from costmodels.models.xgboost import XGBoostModel
from tunedb.errors import UsageError

KINDS: dict[str, type[CostModel]] = {
    family.kind: family
    for family in (
        TwoStageModel,
        LightGBMModel,
        LambdaRankModel,
        XGBoostModel,
        GaussianProcessModel,
        RidgeModel,
        RooflineModel,
        FlopModel,
        RandomModel,
    )
}
DEFAULT = TwoStageModel.kind
STOCK = "stock-xgboost"
"""MetaSchedule's own: XGBoost on TVM's per-store features, for comparison. Before its first trials it knows nothing
and ranks at random, as the untrained model of that name does; here it has learned from the trials of others."""


def make(kind: str, hyper_parameters: HyperParameters | None = None, compute: Compute = ALONE) -> CostModel:
    """Makes a model that has learned nothing yet.

    Args:
        kind: its family, or `STOCK`, which wants features of the family "per_store".
        hyper_parameters: those that are not as in the family's fixed configuration.
        compute: what fitting may use; a cluster grows the trees of LightGBM's and XGBoost's regressors.

    Raises:
        UsageError: there is no such family, or it has no such hyper-parameter.
    """
    family = XGBoostModel if kind == STOCK else KINDS.get(kind)
    if family is None:
        raise UsageError(f"no model {kind!r}: there are {', '.join((*KINDS, STOCK))}")
    return family.make(hyper_parameters or {}, compute)


def makers(kinds: list[str] | None = None, compute: Compute = ALONE) -> dict[str, Callable[[], CostModel]]:
    """What makes a fresh model of each family in its fixed configuration, by name.

    Args:
        kinds: the families by name; None for all but `STOCK`.
        compute: as for `make`.
    """
    return {kind: partial(make, kind, None, compute) for kind in (KINDS if kinds is None else kinds)}
