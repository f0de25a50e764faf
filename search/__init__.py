"""What to measure next, and measuring it: the search strategies of tunedb.

`tune` runs a whole tuning; `bayesian_optimization` gives the strategy alone, for MetaSchedule's own tuning calls;
`Tuner` is the contract of what chooses candidates, for hosts and strategies of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunedb.lazy import imported_late

if TYPE_CHECKING:
    from search.contract import Proposal, Result, Tuner, TunerTask
    from search.networks.tasks import load_tasks
    from search.options import TuneOptions
    from search.report import TuneReport
    from search.targets import local_target, parse_target
    from search.task import Task
    from search.tune import bayesian_optimization, run_tuning, tune

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

__getattr__ = imported_late(  # TVM alone takes a second
    __name__,
    {
        "Proposal": "search.contract",
        "Result": "search.contract",
        "Task": "search.task",
        "TuneOptions": "search.options",
        "TuneReport": "search.report",
        "Tuner": "search.contract",
        "TunerTask": "search.contract",
        "bayesian_optimization": "search.tune",
        "load_tasks": "search.networks.tasks",
        "local_target": "search.targets",
        "parse_target": "search.targets",
        "run_tuning": "search.tune",
        "tune": "search.tune",
    },
)
