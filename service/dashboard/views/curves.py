"""Best so far as curves: the points, and the two plots of them. Failed trials have no point and set no scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import altair as alt
import pyarrow as pa

from service.dashboard.marks import COLORS, log_scale
from service.dashboard.panel import Panel
from tunedb.query.best_so_far import Point
from tunedb.units import duration

MOST = len(COLORS)
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2])


@dataclass(frozen=True, slots=True)
class Curve:
    """How a best fell."""

    label: str
    points: tuple[Point, ...]  # the improvements
    end: Point  # up to here it stayed as it was
    num_failed: int = 0


def panels(curves: Sequence[Curve], of: str, notes: Iterable[str] = ()) -> list[Panel]:
    """The plots against trials and against time.

    Args:
        curves: as many as `MOST`, each with a point.
        of: what became faster, for people.
        notes: what was left out.
    """
    failed = sum(curve.num_failed for curve in curves)
    told = (*notes, *((f"{failed:,} failed trials count as trials and have no point.",) if failed else ()))
    rows = [
        (curve.label, point.trials, point.secs, point.best_secs)
        for curve in curves
        for point in (*curve.points, curve.end)
    ]
    table = pa.table(
        {
            "series": pa.array([row[0] for row in rows], pa.string()),
            "trials": pa.array([row[1] for row in rows], pa.int64()),
            "elapsed_secs": pa.array([row[2] for row in rows], pa.float64()),
            "best_secs": pa.array([row[3] for row in rows], pa.float64()),
        }
    )
    best = min(curves, key=lambda curve: curve.end.best_secs)
    summary = f"{of}: down to {duration(best.end.best_secs)} after {best.end.trials:,} trials ({best.label})."
    against_time = f"{of}: {duration(best.end.best_secs)} after {best.points[-1].secs:.1f} s ({best.label})."
    found = [Panel("trials", "Best so far against trials", summary, table, _plot(table, curves, "trials"), told)]
    if any(point.secs > 0 for curve in curves for point in (*curve.points, curve.end)):
        chart = _plot(table, curves, "elapsed_secs")
        found.append(Panel("time", "Best so far against time", against_time, table, chart, told))
    return found


def _plot(table: pa.Table, curves: Sequence[Curve], against: str) -> alt.Chart:
    names = [curve.label for curve in curves]
    legend = alt.Legend(
        orient="bottom", columns=1, labelLimit=680, symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=400
    )
    title = "trials" if against == "trials" else "seconds since the first trial began"
    made: alt.Chart = (
        alt.Chart(table)
        .mark_line(interpolate="step-after", strokeWidth=2, point=alt.OverlayMarkDef(size=28))
        .encode(
            x=alt.X(
                f"{against}:Q",
                title=title,
                scale=alt.Scale(nice=False, zero=True),
                axis=alt.Axis(grid=False, tickCount=8),
            ),
            y=alt.Y(
                "best_secs:Q",
                title="best so far (seconds, log)",
                scale=log_scale(table["best_secs"].to_pylist()),
                axis=alt.Axis(format=".3~s", tickCount=5, gridOpacity=0.5),
            ),
            color=alt.Color(
                "series:N",
                title=None,
                sort=names,
                legend=legend,
                scale=alt.Scale(domain=names, range=list(COLORS[: len(names)])),
            ),
            strokeDash=alt.StrokeDash(
                "series:N", title=None, sort=names, scale=alt.Scale(domain=names, range=list(_DASHES[: len(names)]))
            ),
            tooltip=[
                "series:N",
                "trials:Q",
                alt.Tooltip("elapsed_secs:Q", format=".1f"),
                alt.Tooltip("best_secs:Q", format=".4s"),
            ],
        )
        .properties(width=720, height=300)
    )
    return made
