"""What was learned: features of candidates, and models of their latency that outlive a tuning run.

Importing this package is cheap: its modules, and LightGBM and TVM behind them, are imported when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "Compute": "compute",
    "CostModel": "model",
    "LoadedModel": "registry.choose",
    "Prediction": "model",
    "TrainOptions": "training",
    "TrainReport": "training",
    "load_model": "registry.choose",
    "save_model": "registry.saved",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
