"""What to measure next, and measuring it: the search strategies of tunedb.

`tune` runs a whole tuning; `bayesian_optimization` gives the strategy alone, for MetaSchedule's own tuning calls.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.metaschedule import BayesianOptimization
    from search.networks.targets import local_target, parse_target
    from search.networks.tasks import Task, load_tasks
    from search.tune import TuneReport, bayesian_optimization, tune

_HOMES = {
    "BayesianOptimization": "search.metaschedule",
    "Task": "search.networks.tasks",
    "TuneReport": "search.tune",
    "bayesian_optimization": "search.tune",
    "load_tasks": "search.networks.tasks",
    "local_target": "search.networks.targets",
    "parse_target": "search.networks.targets",
    "tune": "search.tune",
}

__all__ = [
    "BayesianOptimization",
    "Task",
    "TuneReport",
    "bayesian_optimization",
    "load_tasks",
    "local_target",
    "parse_target",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Imports on first use: TVM alone takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
