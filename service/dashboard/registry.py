"""The dashboard's views, in the order of the navigation. The first is the first page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from service.dashboard.panel import View
from tunedb.errors import NotFoundError


@cache
def views() -> tuple[View, ...]:
    """All views. Their modules are imported when they are first asked for: what draws takes a second to come."""
    from service.dashboard.views import (
        accuracy,
        comparison,
        correctness,
        coverage,
        failures,
        hardware,
        history,
        importance,
        intervals,
        machines,
        models,
        neighbours,
        network,
        overview,
        runs,
        savings,
        schedules,
        workloads,
    )

    return (
        overview.VIEW,
        workloads.VIEW,
        runs.VIEW,
        coverage.VIEW,
        history.VIEW,
        comparison.VIEW,
        failures.VIEW,
        network.VIEW,
        savings.VIEW,
        importance.VIEW,
        intervals.VIEW,
        neighbours.VIEW,
        schedules.VIEW,
        correctness.VIEW,
        hardware.VIEW,
        machines.VIEW,
        models.VIEW,
        accuracy.VIEW,
    )


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
    found = next((view for view in views() if view.name == name), None)
    if found is None:
        names = ", ".join(view.name for view in views())
        raise NotFoundError(f"there is no view {name[:40]!r}: there are {names}", kind="view", asked=name)
    return found


def groups() -> dict[str, list[Entry]]:
    """The navigation: views by the headings that they stand under."""
    found: dict[str, list[Entry]] = {}
    for view in views():
        address = "/" if view is views()[0] else f"/dashboard/{view.name}"
        found.setdefault(view.group, []).append(Entry(view.name, view.title, address))
    return found
