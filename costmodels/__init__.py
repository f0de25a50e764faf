"""What was learned: features of candidates, and models of their latency that outlive a tuning run.

Importing this package is cheap: its modules, and LightGBM and TVM behind them, are imported when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunedb.lazy import imported_late

if TYPE_CHECKING:
    from costmodels.compute import Compute
    from costmodels.model import CostModel, Prediction
    from costmodels.registry.choose import LoadedModel, load_model
    from costmodels.registry.saved import save_model
    from costmodels.training import TrainOptions, TrainReport, train

__all__ = [
    "Compute",
    "CostModel",
    "LoadedModel",
    "Prediction",
    "TrainOptions",
    "TrainReport",
    "load_model",
    "save_model",
    "train",
]

__getattr__ = imported_late(
    __name__,
    {
        "Compute": "costmodels.compute",
        "CostModel": "costmodels.model",
        "LoadedModel": "costmodels.registry.choose",
        "Prediction": "costmodels.model",
        "TrainOptions": "costmodels.training",
        "TrainReport": "costmodels.training",
        "load_model": "costmodels.registry.choose",
        "save_model": "costmodels.registry.saved",
        "train": "costmodels.training",
    },
)
