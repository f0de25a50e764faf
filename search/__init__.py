"""What to measure next, and measuring it: the search strategies of tunedb.

`tune` runs a whole tuning; `bayesian_optimization` gives the strategy alone, for MetaSchedule's own tuning calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunedb.lazy import imported_late

if TYPE_CHECKING:
    from search.metaschedule import BayesianOptimization
    from search.networks.targets import local_target, parse_target
    from search.networks.tasks import Task, load_tasks
    from search.tune import TuneReport, bayesian_optimization, tune

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

__getattr__ = imported_late(  # TVM alone takes a second
    __name__,
    {
        "BayesianOptimization": "search.metaschedule",
        "Task": "search.networks.tasks",
        "TuneReport": "search.tune",
        "bayesian_optimization": "search.tune",
        "load_tasks": "search.networks.tasks",
        "local_target": "search.networks.targets",
        "parse_target": "search.networks.targets",
        "tune": "search.tune",
    },
)
