"""What to measure next, and measuring it: the search strategies of tunedb.

`tune` runs a whole tuning; `bayesian_optimization` gives the strategy alone, for MetaSchedule's own tuning calls.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.frontends import Task, load_tasks
    from search.strategy import BayesianOptimization
    from search.targets import local_target, parse_target
    from search.tuning import TuneReport, bayesian_optimization, tune

_HOMES = {
    "BayesianOptimization": "search.strategy",
    "Task": "search.frontends",
    "TuneReport": "search.tuning",
    "bayesian_optimization": "search.tuning",
    "load_tasks": "search.frontends",
    "local_target": "search.targets",
    "parse_target": "search.targets",
    "tune": "search.tuning",
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
