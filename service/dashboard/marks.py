"""What the charts of all views share: colours, sizes, units of axes, and panels that say why there is nothing.

Colours are of at least 3 to 1 on a white and on a dark ground: a chart decides nothing else of how a page looks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import altair as alt
import pyarrow as pa

from service.dashboard.panel import Panel

BLUE, ORANGE, GREEN, PINK, OLIVE, VIOLET = "#3b82c4", "#d9772b", "#2a9d77", "#c2568f", "#8f7a1f", "#7a6fd0"
COLORS = (BLUE, ORANGE, GREEN, PINK, OLIVE, VIOLET)
GREY = "#808891"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
WIDTH, HEIGHT = 620, 320
ROW = 22  # pixels of a bar with its gap
LABEL = 330  # pixels of the longest label: a workload's name
MOST_NAMED = len(COLORS)  # that have a colour of their own
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def table_of(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """A table of columns by name; times keep their zone."""
    return pa.table({name: list(values) for name, values in columns.items()})


def rows_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    """A table of rows, with these columns even where there is no row."""
    return table_of({name: [row.get(name) for row in rows] for name in names})


def nothing(name: str, title: str, why: str) -> Panel:
    """The panel of a plot that there is not.

    Args:
        name: the panel's, for URLs.
        title: its title.
        why: a sentence: what is missing, and what would bring it.
    """
    return Panel(name, title, why, rows_table([], ["reason"]))


def nothings(why: str, **titles: str) -> list[Panel]:
    """The panels of several plots that there are not, all for one reason.

    Args:
        why: the sentence.
        titles: their titles, by the panels' names.
    """
    return [nothing(name, title, why) for name, title in titles.items()]


def plot_of(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart over rows; figures that JSON has no word for become null, times text."""
    return alt.Chart(alt.InlineData(values=[{name: _plain(value) for name, value in row.items()} for row in rows]))


def palette(names: Sequence[str]) -> Any:
    """A scale that gives each of some names a colour; from the seventh on they come again."""
    return alt.Scale(domain=list(names), range=[COLORS[place % len(COLORS)] for place in range(len(names))])


def shapes(names: Sequence[str]) -> Any:
    """A scale of shapes beside `palette`: colour is never all that tells."""
    return alt.Scale(domain=list(names), range=[SHAPES[place % len(SHAPES)] for place in range(len(names))])


def legend_below(columns: int = 2) -> Any:
    """A legend under the plot, its labels whole."""
    return alt.Legend(orient="bottom", columns=columns, labelLimit=WIDTH // columns)


def log_scale(values: Sequence[float]) -> Any:
    """A logarithmic scale that ends just beyond some positive values."""
    return alt.Scale(type="log", domain=[min(values) / 1.15, max(values) * 1.15], nice=False)


def time_unit(secs: Sequence[float]) -> tuple[float, str]:
    """The unit in which times have few digits: its length in seconds, and its name."""
    middle = math.sqrt(min(secs) * max(secs))
    return next(((scale, unit) for scale, unit in _UNITS if middle >= scale), _UNITS[-1])


def height_of(rows: int) -> int:
    """Pixels of a chart of so many bars."""
    return max(ROW * rows, 2 * ROW)


def shortened(text: str, most: int = 60) -> str:
    """A text that fits beside a bar."""
    return text if len(text) <= most else text[: most - 3] + "..."


def distinct(names: Mapping[str, str]) -> dict[str, str]:
    """Names by id, those that several have with the beginning of the id behind them."""
    every = Counter(names.values())
    return {key: name if every[name] == 1 else f"{name} ({key[:6]})" for key, name in names.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
