"""A panel's table as files: CSV, and JSON that keeps its types' names."""

from __future__ import annotations

import io
import math
from datetime import datetime
from typing import Any

import msgspec

from service.dashboard.panel import Panel

_RISKY = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes a cell's text for a formula by


def csv(panel: Panel) -> bytes:
    """The table as CSV in UTF-8. A text that a spreadsheet would run begins with an apostrophe."""
    import pyarrow as pa
    import pyarrow.csv as pc

    columns = []
    for column in panel.table.columns:
        if pa.types.is_string(column.type):
            columns.append(pa.array([_harmless(value) for value in column.to_pylist()], pa.string()))
        elif pa.types.is_nested(column.type):
            columns.append(pa.array([_json(value) for value in column.to_pylist()], pa.string()))
        else:
            columns.append(column)
    out = io.BytesIO()
    pc.write_csv(pa.table(columns, names=panel.table.column_names), out)
    return out.getvalue()


def document(panel: Panel) -> dict[str, Any]:
    """The table as a JSON document: rows as objects, with what the page says of them."""
    return {
        "name": panel.name,
        "title": panel.title,
        "summary": panel.summary,
        "notes": list(panel.notes),
        "columns": {field.name: str(field.type) for field in panel.table.schema},
        "rows": [{name: _plain(value) for name, value in row.items()} for row in panel.table.to_pylist()],
    }


def _harmless(value: str | None) -> str | None:
    return f"'{value}" if value is not None and value.startswith(_RISKY) else value


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, NaN and infinities as null."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
