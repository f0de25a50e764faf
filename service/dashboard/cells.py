"""A panel's table as a page shows it: cells as text, and what they lead to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tunedb.units import duration, size

if TYPE_CHECKING:
    import pyarrow as pa

_ID_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell."""

    text: str
    link: str = ""  # a path of the dashboard
    full: str = ""  # the whole text where it is cut
    is_number: bool = False
    is_code: bool = False  # whose spaces count: the column `text` of a program or trace


# What the cells of a column of this name lead to; `{}` is the cell's value as a query has it.
_LINKS = {
    "workload_hash": "/dashboard/history?{workload}",
    "record_id": "/dashboard/record/{path}",
    "run_id": "/dashboard/history?{run}",
    "target_id": "/dashboard/coverage?{target}",
}


def headers(table: pa.Table) -> list[str]:
    """The names of its columns, for people."""
    return [name.replace("_", " ") for name in table.column_names]


def rows(table: pa.Table, most: int) -> Iterator[list[Cell]]:
    """The first rows of a table.

    Args:
        table: a panel's.
        most: how many rows.
    """
    names = table.column_names
    for row in table.slice(0, most).to_pylist():
        yield [_cell(name, row[name]) for name in names]


def _cell(name: str, value: Any) -> Cell:
    if value is None:
        return Cell("-")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(_number(name, value), is_number=True)
    if isinstance(value, datetime):
        return Cell(f"{value:%Y-%m-%d %H:%M}")
    text = str(value)
    if name in _LINKS and text:
        link = _LINKS[name].format(
            path=text,
            workload=urlencode({"workload": text}),
            run=urlencode({"run": text}),
            target=urlencode({"target": text}),
        )
        return Cell(text[:_ID_LETTERS], link, text)
    return Cell(text, is_code=name == "text")


def _number(name: str, value: float) -> str:
    if isinstance(value, int):
        return size(value) if name.endswith("_bytes") else f"{value:,}"
    if not math.isfinite(value):
        return "-"
    if name.endswith("_secs") or name == "secs":
        return duration(value)
    return f"{value:.4g}"
