"""The dashboard's views, in the order of the navigation. The first is the first page."""

from __future__ import annotations

from dataclasses import dataclass

from service.dashboard.panel import View
from service.dashboard.views import comparison, coverage, failures, history, overview, runs, workloads
from tunedb.errors import NotFoundError

VIEWS: tuple[View, ...] = (
    overview.VIEW,
    workloads.VIEW,
    runs.VIEW,
    history.VIEW,
    comparison.VIEW,
    coverage.VIEW,
    failures.VIEW,
)
_BY_NAME = {view.name: view for view in VIEWS}


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
    found = _BY_NAME.get(name)
    if found is None:
        raise NotFoundError(f"there is no view {name[:40]!r}: there are {', '.join(_BY_NAME)}", kind="view", asked=name)
    return found


def groups() -> dict[str, list[Entry]]:
    """The navigation: views by the headings that they stand under."""
    found: dict[str, list[Entry]] = {}
    for view in VIEWS:
        address = "/" if view is VIEWS[0] else f"/dashboard/{view.name}"
        found.setdefault(view.group, []).append(Entry(view.name, view.title, address))
    return found
