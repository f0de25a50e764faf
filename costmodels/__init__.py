"""What was learned: features of candidates, and models of their latency that outlive a tuning run.

Importing this package is cheap: its rooms, and LightGBM and TVM behind them, are imported when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costmodels.choosing import LoadedModel, load_model
    from costmodels.model import CostModel, Prediction
    from costmodels.registry import save_model
    from costmodels.training import TrainReport, train

__all__ = ["CostModel", "LoadedModel", "Prediction", "TrainReport", "load_model", "save_model", "train"]

_ROOM = {
    "CostModel": "model",
    "LoadedModel": "choosing",
    "Prediction": "model",
    "TrainReport": "training",
    "load_model": "choosing",
    "save_model": "registry",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ROOM[name]}"), name)
