"""What to measure next, and measuring it: the search strategies of tunedb.

`tune` runs a whole tuning; `bayesian_optimization` gives the strategy alone, for MetaSchedule's own tuning calls;
`Tuner` is the contract of what chooses candidates, for hosts and strategies of one's own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.contract import Proposal, Result, Tuner, TunerTask
    from search.networks.targets import local_target, parse_target
    from search.networks.tasks import Task, load_tasks
    from search.options import TuneOptions
    from search.report import TuneReport
    from search.tune import bayesian_optimization, run_tuning, tune

_HOMES = {
    "Proposal": "search.contract",
    "Result": "search.contract",
    "Task": "search.networks.tasks",
    "TuneOptions": "search.options",
    "TuneReport": "search.report",
    "Tuner": "search.contract",
    "TunerTask": "search.contract",
    "bayesian_optimization": "search.tune",
    "load_tasks": "search.networks.tasks",
    "local_target": "search.networks.targets",
    "parse_target": "search.networks.targets",
    "run_tuning": "search.tune",
    "tune": "search.tune",
}

__all__ = [
    "Proposal",
    "Result",
    "Task",
    "TuneOptions",
    "TuneReport",
    "Tuner",
    "TunerTask",
    "bayesian_optimization",
    "load_tasks",
    "local_target",
    "parse_target",
    "run_tuning",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Imports on first use: TVM alone takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
