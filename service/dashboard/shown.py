"""A view's panels as its page shows them: addresses of plots and files, and the rows of a table's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from service.dashboard.asked import Asked
from service.dashboard.cells import Cell, headers, rows
from service.dashboard.panel import Filters, Panel, View

_BESIDE_A_PLOT = 100  # rows of the table below a plot; the files have all
_OF_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel, ready for its template."""

    panel: Panel
    light: str  # the addresses of its plot
    dark: str
    spec: str
    files: tuple[tuple[str, str], ...]  # names and addresses
    headers: list[str]
    rows: list[list[Cell]]
    more: str  # what is not in the rows, for people
    pages: tuple[tuple[str, str], ...]  # words and addresses of the pages before and after


def shown(view: View, panel: Panel, asked: Asked, version: str) -> Shown:
    """A panel as a page shows it.

    Args:
        view: whose it is.
        panel: the panel.
        asked: what was asked for.
        version: of the store: a plot of another version has another address.
    """
    number = panel.table.num_rows
    pages: tuple[tuple[str, str], ...] = ()
    if panel.chart is not None:
        first, last = 0, min(number, _BESIDE_A_PLOT)
    else:
        first = min((asked.page - 1) * _OF_A_PAGE, max(0, number - 1) // _OF_A_PAGE * _OF_A_PAGE)
        last = min(number, first + _OF_A_PAGE)
        pages = _pages(view, asked.filters, first // _OF_A_PAGE + 1, -(-number // _OF_A_PAGE))
    here = panel.table.slice(first, last - first)
    more = "" if last - first == number else f"Rows {first + 1:,} to {last:,} of {number:,}; the files have all."
    kinds = ["csv", "json", *(("svg", "png") if panel.chart is not None else ())]
    return Shown(
        panel,
        _address(view, panel, asked.filters, "svg", theme="light", v=version),
        _address(view, panel, asked.filters, "svg", theme="dark", v=version),
        _address(view, panel, asked.filters, "vl.json", v=version),
        tuple((kind.upper(), _address(view, panel, asked.filters, kind)) for kind in kinds),
        headers(here),
        list(rows(here, last - first)),
        more,
        pages,
    )


def _address(view: View, panel: Panel, filters: Filters, kind: str, **more: str) -> str:
    query = urlencode([*filters.items(), *more.items()])
    return f"/dashboard/{view.name}/{panel.name}.{kind}" + (f"?{query}" if query else "")


def _pages(view: View, filters: Filters, page: int, number: int) -> tuple[tuple[str, str], ...]:
    wanted: Sequence[tuple[str, int]] = (("First", 1), ("Previous", page - 1), ("Next", page + 1), ("Last", number))
    return tuple(
        (word, f"/dashboard/{view.name}?{urlencode([*filters.items(), ('page', str(there))])}")
        for word, there in wanted
        if 1 <= there <= number and there != page
    )
