"""The dashboard's views, in the order of the navigation. The first is the first page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from service.dashboard.panel import View
from tunedb.errors import NotFoundError

_VIEWS = (  # each is the `VIEW` of the module of its name in `service.dashboard.views`
    ("overview", "Overview", "Store"),
    ("workloads", "Workloads", "Store"),
    ("runs", "Runs", "Store"),
    ("coverage", "Coverage", "Store"),
    ("history", "History and live runs", "Tuning"),
    ("comparison", "Comparison of runs", "Tuning"),
    ("failures", "Failures and funnel", "Tuning"),
    ("network", "A network by task", "Tuning"),
    ("savings", "What remembering saved", "Tuning"),
    ("importance", "Importance of decisions", "Workload"),
    ("intervals", "Interval on the best", "Workload"),
    ("neighbours", "Nearest neighbours", "Workload"),
    ("schedules", "Difference of two schedules", "Records"),
    ("correctness", "Correctness", "Records"),
    ("hardware", "Hardware side by side", "Machines"),
    ("machines", "Health of machines", "Machines"),
    ("models", "Models", "Models"),
    ("accuracy", "Predicted against measured", "Models"),
)
_PACKAGE = "service.dashboard.views"


def views() -> tuple[View, ...]:
    """All views. Their modules are imported when they are first asked for: what draws takes a second to come."""
    return tuple(_view(name) for name, _, _ in _VIEWS)


def first_view() -> View:
    """That of the first page."""
    return _view(_VIEWS[0][0])


@cache
def _view(name: str) -> View:
    view = import_module(f"{_PACKAGE}.{name}").VIEW
    assert isinstance(view, View)
    return view


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation."""

    name: str
    title: str
    address: str


def view_named(name: str) -> View:
    """The view of a name.

    Raises:
        NotFoundError: there is none.
    """
    if name not in (known := [row[0] for row in _VIEWS]):
        raise NotFoundError(f"there is no view {name[:40]!r}: there are {', '.join(known)}", kind="view", asked=name)
    return _view(name)


def groups() -> dict[str, list[Entry]]:
    """The navigation: views by the headings that they stand under."""
    found: dict[str, list[Entry]] = {}
    for name, title, group in _VIEWS:
        address = "/" if name == _VIEWS[0][0] else f"/dashboard/{name}"
        found.setdefault(group, []).append(Entry(name, title, address))
    return found
