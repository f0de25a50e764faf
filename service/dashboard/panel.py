"""The interface between the dashboard's shell and its views: a view makes panels, each a table and a chart of it.

A view draws no page and reads no URL: the shell does both, and gives each panel as CSV, JSON, PNG and SVG too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.dashboard.filters import Filters
from tunedb.store.contract import Store

if TYPE_CHECKING:
    import altair as alt
    import pyarrow as pa

__all__ = ["Filters", "Panel", "View"]


@dataclass(frozen=True)
class Panel:
    """A plot with its data, or a table alone."""

    name: str  # for URLs: "coverage"
    title: str
    summary: str  # one or two sentences in place of the plot: what is to be seen, with the numbers
    table: pa.Table  # the plot's data, units in the names of its columns; some thousand rows at most
    # Over that table, or what makes it when it is drawn: a page is there before what draws. None: the table alone.
    chart: alt.TopLevelMixin | Callable[[], alt.TopLevelMixin] | None = None
    notes: tuple[str, ...] = ()  # what was left out: failed trials, rows beyond a limit


@dataclass(frozen=True)
class View:
    """A page of panels."""

    name: str  # for URLs
    title: str
    group: str  # the heading of the navigation that it stands under
    needs: tuple[str, ...]  # the filters that must be set; the shell asks for them
    build: Callable[[Store, Filters], list[Panel]]
    """Makes the panels. What a store refuses it lets through: the shell answers errors."""
    is_live: bool = False  # whether its page renews itself while trials come
