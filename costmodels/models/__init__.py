"""Families of cost models, by name. Libraries are imported when a model is fitted or loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from costmodels.model import CostModel
from costmodels.models.gaussian_process import GaussianProcessModel
from costmodels.models.lambdarank import LambdaRankModel
from costmodels.models.lightgbm import LightGBMModel
from costmodels.models.ridge import RidgeModel
from costmodels.models.roofline import RooflineModel
from costmodels.models.two_stage import SecondLookModel
from costmodels.models.untrained import FlopModel, RandomModel
from costmodels.models.xgboost import XGBoostModel

if TYPE_CHECKING:
    from costmodels.cluster import Cluster

KINDS: dict[str, type[CostModel]] = {
    family.kind: family
    for family in (
        SecondLookModel,
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
DEFAULT = SecondLookModel.kind
STOCK = "stock-xgboost"
"""MetaSchedule's own: XGBoost on TVM's per-store features, for comparison. Before its first trials it knows nothing
and ranks at random, as the floor of that name does; here it has learned from the trials of others."""


def stock_model(workers: int = 1) -> CostModel:
    """The baseline `STOCK`; it wants features of the family "per_store", summed where stock sums trees over stores.

    Args:
        workers: members that are fitted at a time.
    """
    return XGBoostModel(workers=workers)


def models(workers: int = 1, cluster: Cluster | None = None) -> dict[str, Callable[[], CostModel]]:
    """What makes a fresh model of each family in its fixed configuration, by name.

    Args:
        workers: members of an ensemble that are fitted at a time.
        cluster: grows the trees of LightGBM's and XGBoost's regressors instead, a member after the other.
    """
    return {
        SecondLookModel.kind: lambda: SecondLookModel(workers=workers, cluster=cluster),
        LightGBMModel.kind: lambda: LightGBMModel(workers=workers, cluster=cluster),
        LambdaRankModel.kind: lambda: LambdaRankModel(workers=workers),
        XGBoostModel.kind: lambda: XGBoostModel(workers=workers, cluster=cluster),
        GaussianProcessModel.kind: GaussianProcessModel,
        RidgeModel.kind: lambda: RidgeModel(workers=workers),
        RooflineModel.kind: RooflineModel,
        FlopModel.kind: FlopModel,
        RandomModel.kind: RandomModel,
    }
