"""A panel's chart as SVG, PNG, and the Vega-Lite that a browser draws by itself; on light ground or dark."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from service.dashboard.panel import Panel
from tunedb.errors import UsageError

THEMES = ("light", "dark")
COLORS = ("#3b82c4", "#d9772b", "#2a9d77", "#c2568f", "#8f7a1f", "#7a6fd0")
"""Of at least 3 to 1 on both grounds (`search.pages.plots`)."""
_INK = {"light": "#1f2328", "dark": "#e6e8eb"}
_GROUND = {"light": "#ffffff", "dark": "#1c2127"}
_GRID = {"light": "#d1d9e0", "dark": "#3a4149"}
_FONT = "DejaVu Sans, Verdana, sans-serif"
_PNG_SCALE = 2.0
_PACKAGES = ("altair", "jinja2", "vl_convert")


def needed() -> None:
    """Whether plots can be drawn.

    Raises:
        UsageError: what draws them is not installed.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]  # importing them takes a third of a second
    if missing:
        raise UsageError(f"the dashboard needs {', '.join(missing)}: pip install 'tunedb[service]'")


def draw_something() -> None:
    """Has the drawing library start, which takes a second."""
    import altair as alt

    alt.Chart().mark_bar().to_dict()
    _svg({"data": {"values": [{"x": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x"}}})


def specification(panel: Panel, theme: str) -> dict[str, Any]:
    """The Vega-Lite of a panel's chart with its data in it.

    Args:
        panel: one with a chart.
        theme: of `THEMES`.
    """
    import altair as alt

    assert panel.chart is not None
    chart = panel.chart if isinstance(panel.chart, alt.TopLevelMixin) else panel.chart()
    with alt.data_transformers.enable("default", max_rows=None):
        made = chart.to_dict()
    made["config"] = _merged(_config(theme), made.get("config", {}))
    return made


def svg(panel: Panel, theme: str) -> str:
    """A panel's chart as SVG that needs nothing from elsewhere."""
    return _svg(specification(panel, theme))


def png(panel: Panel, theme: str) -> bytes:
    """A panel's chart as an image, with its title."""
    import vl_convert

    made = specification(panel, theme)
    made["title"] = {"text": panel.title, "anchor": "start", "fontSize": 14}
    return vl_convert.vegalite_to_png(made, scale=_PNG_SCALE, allowed_base_urls=[])


def _svg(made: dict[str, Any]) -> str:
    import vl_convert

    return vl_convert.vegalite_to_svg(made, allowed_base_urls=[])


def _config(theme: str) -> dict[str, Any]:
    ink, grid = _INK[theme], _GRID[theme]
    return {
        "background": _GROUND[theme],
        "font": _FONT,
        "padding": 8,
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "domainColor": grid,
            "tickColor": grid,
            "gridColor": grid,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 320,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 320,
        },
        "title": {"color": ink, "subtitleColor": ink},
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12},
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": ink},
        "tick": {"color": ink},
        "mark": {"color": COLORS[0]},
        "range": {"category": list(COLORS)},
        "view": {"stroke": None},
    }


def _merged(ours: dict[str, Any], charts: dict[str, Any]) -> dict[str, Any]:
    """Our configuration, with what a chart sets of its own in its place; Altair's own defaults do not count."""
    merged = dict(ours)
    for name, told in charts.items():
        value = told
        if name == "view" and isinstance(told, dict):
            value = {key: one for key, one in told.items() if (key, one) not in _ALTAIRS}
        mine = merged.get(name)
        merged[name] = {**mine, **value} if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged


_ALTAIRS = {("continuousWidth", 300), ("continuousHeight", 300)}
